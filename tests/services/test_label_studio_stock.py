"""A stock Label Studio, in an environment of its own, takes the tasks; no server is started."""

import os
import subprocess
import sys

import pytest

from cad_studio.config import AppConfig
from cad_studio.services.container import Services
from tests.services.annotating import N_SAMPLES, NAME, make

VERSION = "1.23.2"
INSTALL_SECONDS = 3600  # some hundred packages
PROGRAM = """
import json, os, sys
os.environ.update(DJANGO_SETTINGS_MODULE='core.settings.label_studio', COLLECT_ANALYTICS='0',
                  LABEL_STUDIO_BASE_DATA_DIR=sys.argv[2], LATEST_VERSION_CHECK='0',
                  DJANGO_DB='sqlite')
import label_studio
sys.path.insert(0, os.path.dirname(label_studio.__file__))
import django
django.setup()
from django.core.management import call_command
call_command('migrate', verbosity=0)
from data_import.serializers import ImportApiSerializer
from organizations.models import Organization
from projects.models import Project
from users.models import User
user = User.objects.create(email='owner@example.org', username='owner')
organization = Organization.create_organization(created_by=user, title='o')
user.active_organization = organization
user.save()
tasks = json.load(open(sys.argv[1]))
project = Project.objects.create(title='p', created_by=user, organization=organization,
                                 label_config=tasks[0]['meta']['label_config'])
made = ImportApiSerializer(data=tasks, many=True, context={'project': project, 'user': user})
made.is_valid(raise_exception=True)
made.save(project_id=project.id)
found = list(project.tasks.all())
print(json.dumps({'tasks': len(found), 'labelled': sum(task.is_labeled for task in found),
                  'predictions': sum(task.predictions.count() for task in found)}))
"""


@pytest.fixture
def python(tmp_path):
    """The interpreter of an environment with Label Studio, `LABEL_STUDIO_PYTHON` or a new one."""
    if given := os.environ.get("LABEL_STUDIO_PYTHON"):
        return given
    folder = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    made = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    install = [str(made), "-m", "pip", "install", "-q", f"label-studio=={VERSION}"]
    try:
        subprocess.run(install, check=True, capture_output=True, timeout=INSTALL_SECONDS)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        pytest.skip(f"pip cannot install Label Studio here: {error}")
    return str(made)


@pytest.mark.slow
@pytest.mark.timeout(2 * INSTALL_SECONDS)
def test_a_stock_label_studio_takes_the_tasks_and_leaves_them_open(tmp_path, python):
    """It refused them for the e-mails of people it does not know; without, all were labelled."""
    services = Services(AppConfig(tmp_path / "project"))
    make(services, tmp_path)
    services.exporting.export(NAME, "label-studio", tmp_path / "tasks.json")
    services.close()
    (tmp_path / "data").mkdir()
    done = subprocess.run(
        [python, "-c", PROGRAM, str(tmp_path / "tasks.json"), str(tmp_path / "data")],
        cwd=tmp_path, capture_output=True, text=True, env={"PATH": os.environ.get("PATH", "")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    told = done.stdout.splitlines()[-1]
    assert told == f'{{"tasks": {N_SAMPLES}, "labelled": 0, "predictions": {N_SAMPLES}}}'
