"""What a visitor does and sees, in the words of the pages."""

from urllib.parse import urlencode

from playwright.sync_api import Page, expect

READY_MS = 60_000


def show_dataset(page: Page, url: str, **query: object) -> None:
    """Open the Dataset page and wait until its samples are painted."""
    page.goto(f"{url}/?{urlencode({'open': 'dataset', **query})}")
    page.wait_for_selector(".dataset-page[data-shown] .tile", timeout=READY_MS)


def show_pairs(page: Page, url: str, **query: object) -> None:
    """Open the Entangled pairs page and wait until a pair is painted."""
    page.goto(f"{url}/?{urlencode({'dataset': 'sample', **query}, doseq=True)}")
    open_page(page, "Entangled pairs")
    page.wait_for_selector(".pairs-page[data-shown] .card img", timeout=READY_MS)


def show_train(page: Page, url: str, dataset: str, query: str = "") -> None:
    """Open the Train page and wait until its form and its list of runs are there."""
    page.goto(f"{url}/?dataset={dataset}{query}")
    page.wait_for_selector(".dataset-page .tile, .train-page", timeout=READY_MS)
    open_page(page, "Train")
    page.wait_for_selector(f'.train-side[data-ready="{dataset}"]', timeout=READY_MS)
    page.wait_for_selector(".train-page[data-shown]:not([data-shown=''])")


def open_page(page: Page, title: str) -> None:
    page.locator(".pages").get_by_role("link", name=title, exact=True).click()


def whole(page: Page) -> None:
    """Wait until Gradio's part of the window is there too; pages draw themselves before it."""
    page.wait_for_selector("#stage", state="detached", timeout=READY_MS)


def shown_filter(page: Page, part: str) -> None:
    """Wait until the samples of a filter are painted."""
    page.wait_for_function(
        "part => document.querySelector('.dataset-page')?.dataset.shown?.includes(part)", arg=part
    )


def shown_pair(page: Page, pair: str) -> None:
    """Wait until a pair is painted."""
    page.wait_for_function(
        "pair => document.querySelector('.pairs-page')?.dataset.shown === pair", arg=pair
    )


def total(page: Page) -> str:
    return page.inner_text("#dataset-total")


def number(text: str) -> int:
    """The first number of a text: "1,204 of 12,000 samples" -> 1204."""
    return int("".join(each for each in text.split()[0] if each.isdigit()))


def labels(page: Page) -> list[str]:
    """What the tiles are called."""
    return page.eval_on_selector_all(
        ".dataset-page .tile", "tiles => tiles.map(tile => tile.getAttribute('aria-label'))"
    )


def fill_field(page: Page, field: str, text: str) -> None:
    """Type into a field of a form by its id."""
    page.fill(f"#{field}", text)


def import_by_form(page: Page, source: str, name: str) -> None:
    page.click("#dataset-import-open")
    fill_field(page, "import-source", source)
    fill_field(page, "import-name", name)
    page.click("#import-start")


def refused(page: Page, form: str, words: str) -> None:
    """Wait until a form says why its job was not started."""
    expect(page.locator(f"#{form}-problem")).to_contain_text(words, timeout=30_000)


def toast(page: Page, text: str, timeout: int = 30_000) -> None:
    """Wait until the user is told something in passing."""
    expect(page.locator(".cad-toast").filter(has_text=text)).to_be_visible(timeout=timeout)
