"""The scripts as two files do what they do as many, and no style is left out."""

import subprocess

import pytest

from cad_studio.ui.addresses import STATIC_FOLDER
from cad_studio.ui.joined_files import BEGINS, FIRST, REST, STYLES, joined

FORMS = {
    "tools": "export const ONE = 1;\nexport function add(a, b) { return a + b + missing(); }\n"
    "function missing() { return 0; }\nexport async function later() { return 'later'; }\n"
    "export class Box { constructor(value) { this.value = value; } }\n",
    "passing": "import {ONE} from './tools.js';\nexport {add, Box} from './tools.js';\n"
    "export const twice = 2 * ONE;\n",
    "apart": "let count = 0;\nexport const counted = () => ++count;\n",
    "first_page": "import './apart.js';\nimport * as all from './passing.js';\n"
    "import {later as afterwards} from './tools.js';\nimport {\n  counted,\n} from './apart.js';\n"
    "export async function mount(told) {\n"
    "  told.push(all.add(all.twice, 1), new all.Box(7).value, await afterwards(), counted());\n}\n",
    "studio": "import {counted} from './apart.js';\nconst nothing = 'nothing';\n"
    "export async function mount(name, told) {\n"
    "  told.push(counted());\n"
    "  await (await import(`./${name}.js`)).mount(told);\n"
    "  await import(`./${nothing}.js`).catch(error => told.push(error.message));\n}\n",
}
EXPECTED = '[1,3,7,"later",2,"There is no script nothing."]'


def folder_of(folder, scripts):
    folder.mkdir()
    for name, text in scripts.items():
        (folder / f"{name}.js").write_text(text)
    for file in STATIC_FOLDER.glob("*.css"):
        (folder / file.name).write_bytes(file.read_bytes())
    return folder


def test_every_form_of_import_and_export_works_as_in_files_of_their_own(tmp_path):
    files = joined(folder_of(tmp_path / "scripts", FORMS), ("studio",))
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert "first_page() {" in files[REST]
    assert "apart() {" in files[FIRST]
    asking = tmp_path / "asking.js"
    asking.write_text(
        "import {mount} from './first.js';\nconst told = [];\n"
        "await mount('first_page', told);\nconsole.log(JSON.stringify(told));\n"
    )
    done = subprocess.run(
        ["deno", "run", "--no-remote", str(asking)], capture_output=True, text=True, timeout=60
    )
    assert done.stdout.strip() == EXPECTED, done.stderr


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("export default 3;", "'export default 3;' is not understood"),
        ("export let open = 1;", "'export let open = 1;' is not understood"),
        ("import plain from './tools.js';", "is not understood"),
        ("import {x} from 'https://example.com/x.js';", "is not understood"),
        ("const page = await import('./tools.js');", "is not understood"),
        ("import {twice} from './passing.js';", "import each other"),
    ],
)
def test_what_it_cannot_join_is_refused_by_name(tmp_path, text, told):
    scripts = {**FORMS, "tools": f"{FORMS['tools']}{text}\n"}
    with pytest.raises(ValueError, match=told):
        joined(folder_of(tmp_path / "scripts", scripts))


def test_each_of_the_windows_scripts_is_in_one_of_them():
    files = joined(STATIC_FOLDER)
    styles = files.pop(STYLES)
    for file in STATIC_FOLDER.glob("*.css"):
        assert styles.count(file.read_text()) == 1, file.name
    names = [file.stem for file in STATIC_FOLDER.glob("*.js")]
    assert len(names) > 50
    places = {name: [file for file in files if f"\n{name}() {{\n" in files[file]] for name in names}
    assert {name: found for name, found in places.items() if len(found) != 1} == {}
    assert {FIRST} == {places[name][0] for name in BEGINS}
    assert 3 * len(files[FIRST]) < 2 * len(files[REST])
