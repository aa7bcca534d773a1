"""What a project file says, and every way in which it can be wrong: the messages are golden."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import pytest

from cauce.core.errors import Problems, UserError
from cauce.project import Project, find, load

GOOD = """\
[project]
name = "academy"
language = "es"

[data.students]
source = "students.csv"
key = "id"
time = "term"

[models.drop-out]
task = "classify"
data = "students"
target = "left"
margin = 0.02
features = ["age", "grade"]
split = {kind = "time", folds = 3}

[audit.checks.leakage]
severity = "warn"
"""

Faults = Callable[..., list[str]]


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str | bytes], Path]:
    def write(text: str | bytes) -> Path:
        path = tmp_path / "cauce.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        (tmp_path / "d.csv").touch()
        return path

    return write


@pytest.fixture
def project(write: Callable[[str | bytes], Path]) -> Project:
    return load(write(GOOD), {})


@pytest.fixture
def faults(write: Callable[[str | bytes], Path]) -> Faults:
    def faults(
        text: str | bytes, env: Mapping[str, str] | None = None, checks: Collection[str] | None = None
    ) -> list[str]:
        with pytest.raises(Problems) as caught:
            load(write(text), env or {}, checks=checks)
        assert all(type(problem) is UserError for problem in caught.value.problems)
        return str(caught.value).split("\n")

    return faults


def test_a_good_file_gives_every_key_and_the_defaults(project: Project, tmp_path: Path) -> None:
    assert project.path == tmp_path / "cauce.toml"
    assert project.folder == tmp_path
    assert project.state.root == tmp_path / ".cauce"
    assert not project.state.root.exists()
    model = project.file.models["drop-out"]
    assert (model.margin, model.features, model.split.kind, model.split.folds) == (0.02, ("age", "grade"), "time", 3)
    assert project.file.serve.port == 8321
    assert project.data_of("drop-out") == ("students", project.file.data["students"])


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (("models", "drop-out", "task"), "cauce.toml:11, [models.drop-out] task"),
        (("models", "drop-out"), "cauce.toml:10, [models.drop-out]"),
        (("models", "drop-out", "split", "folds"), "cauce.toml:16, [models.drop-out.split] folds"),
        (("models", "drop-out", "features", 1), "cauce.toml:15, [models.drop-out] features[1]"),
        (("models", "drop-out", "budget"), "cauce.toml:10, [models.drop-out]"),
        (("audit", "checks", "leakage", "severity"), "cauce.toml:19, [audit.checks.leakage] severity"),
        (("serve", "port"), "cauce.toml"),
        ((), "cauce.toml"),
    ],
)
def test_where_names_the_line_or_the_nearest_table(project: Project, keys: tuple[str, ...], expected: str) -> None:
    assert project.where(*keys) == expected


def test_an_unknown_model_is_named_with_the_nearest(project: Project) -> None:
    with pytest.raises(UserError, match=r"no such model. Received 'dropout'. Did you mean 'drop-out'\?"):
        project.data_of("dropout")


def test_all_faults_are_told_at_once_in_the_order_of_the_lines(faults: Faults) -> None:
    text = """\
[project]
name = "My School"
colour = 1
[model.x]
task = "classify"

[data.students]
source = 3
key = "id"
group = "id"
format = "cvs"
delimiter = ";;"

[data.B]
source = "x"

[models.dropout]
task = "clasify"
data = "student"
target = "id"
margin = "0.02"
margn = 1
features = ["a", "b", "a", "id"]
budget = "10 min"
split = 3

[models.y]
task = "regress"
data = "students"
ignore = "a"
[models.y.split]
held_out = 2
folds = 2.5

[audit.checks.leakage]
severity = "blok"
accept = "ok"
[audit.checks.leekage]

[serve]
port = true
host = 2024-01-01
"""
    assert faults(text, {"CAUCE_SERVE__PROT": "1"}, ["leakage"]) == [
        (
            "cauce.toml:2, [project] name: not a name. Received 'My School'. "
            "Write a name: a-z, 0-9, _ and -, a letter first, at most 63."
        ),
        "cauce.toml:3, [project] colour: unknown key. Known: language, name.",
        "cauce.toml:4, [model]: unknown table. Did you mean 'models'?",
        "cauce.toml:8, [data.students] source: not text between quotes. Received 3. Write text between quotes.",
        "cauce.toml:11, [data.students] format: not one of the choices. Received 'cvs'. Did you mean 'csv'?",
        (
            "cauce.toml:12, [data.students] delimiter: not of the right length. Received ';;'. "
            "Write text between quotes, 1 character."
        ),
        "cauce.toml:14, [data.B]: not a name. Received 'B'. Use a-z, 0-9, _ and -, a letter first, at most 63.",
        "cauce.toml:18, [models.dropout] task: not a task. Received 'clasify'. Did you mean 'classify'?",
        "cauce.toml:19, [models.dropout] data: no such data set. Received 'student'. Did you mean 'students'?",
        (
            "cauce.toml:21, [models.dropout] margin: not a number. Received '0.02'. "
            "Write a number, at least 0 and under 1."
        ),
        "cauce.toml:22, [models.dropout] margn: unknown key. Did you mean 'margin'?",
        "cauce.toml:23, [models.dropout] features[2]: named twice. Received 'a'. Keep one.",
        "cauce.toml:23, [models.dropout] features[3]: the target stands here too. Received 'id'. Take it out.",
        (
            "cauce.toml:24, [models.dropout] budget: not a duration such as \"30s\". Received '10 min'. "
            'Write a duration such as "30s", "10m", "1.5h" or "2d".'
        ),
        "cauce.toml:25, [models.dropout] split: not a table of keys. Received 3. Write a table of keys.",
        "cauce.toml:27, [models.y]: target is missing. Add target = text between quotes. Column to predict.",
        (
            "cauce.toml:30, [models.y] ignore: not a list of texts. Received 'a'. "
            'Write a list of texts, such as ["a", "b"].'
        ),
        "cauce.toml:32, [models.y.split] held_out: out of range. Received 2. Write a number, over 0 and under 0.9.",
        (
            "cauce.toml:33, [models.y.split] folds: not a whole number. Received 2.5. "
            "Write a whole number, at least 2 and at most 20."
        ),
        (
            "cauce.toml:36, [audit.checks.leakage] severity: not one of the choices. Received 'blok'. "
            "Did you mean 'block'?"
        ),
        (
            "cauce.toml:37, [audit.checks.leakage] accept: not of the right length. Received 'ok'. "
            "Write text between quotes, at least 10 characters."
        ),
        "cauce.toml:38, [audit.checks.leekage]: not a check. Received 'leekage'. Did you mean 'leakage'?",
        (
            "cauce.toml:41, [serve] port: not a whole number. Received True. "
            "Write a whole number, at least 0 and at most 65535."
        ),
        "cauce.toml:42, [serve] host: not text between quotes. Received '2024-01-01'. Write text between quotes.",
        "environment variable CAUCE_SERVE__PROT: no such key in cauce.toml. Did you mean 'CAUCE_SERVE__PORT'?",
    ]


MODEL = """\
[project]
name = "p"
[data.d]
source = "d.csv"
{data}[models.m]
task = "{task}"
data = "d"
target = "y"
{model}"""


@pytest.mark.parametrize(
    ("data", "task", "model", "expected"),
    [
        ("", "regress", 'loss = "log"\n', ("9, [models.m] loss: not a loss of regress. Received 'log'. "
         "For regress, write one of squared, absolute.")),
        ("", "classify", 'loss = "absolute"\n', ("9, [models.m] loss: not a loss of classify. Received 'absolute'. "
         "For classify, write one of log, zero_one.")),
        ("", "regress", 'split.kind = "stratified"\n', ("9, [models.m.split] kind: only classify has classes to "
         "stratify by. Received 'stratified'. Write one of auto, random, group, time.")),
        ("", "regress", 'split.kind = "time"\n', ("9, [models.m.split] kind: [data.d] names no time column. "
         "Received 'time'. Add time = \"column\" to [data.d], or choose another split.")),
        ("", "regress", '[models.m.split]\nkind = "group"\n', ("10, [models.m.split] kind: [data.d] names no group "
         "column. Received 'group'. Add group = \"column\" to [data.d], or choose another split.")),
        ('key = "y"\n', "regress", "", ("9, [models.m] target: also the key of [data.d]. Received 'y'. A column that "
         "names, orders or groups the rows cannot be predicted from them: choose another target.")),
        ('time = "y"\n', "regress", "", ("9, [models.m] target: also the time of [data.d]. Received 'y'. A column that "
         "names, orders or groups the rows cannot be predicted from them: choose another target.")),
        ('group = "y"\n', "regress", "", ("9, [models.m] target: also the group of [data.d]. Received 'y'. A column "
         "that names, orders or groups the rows cannot be predicted from them: choose another target.")),
        ("", "regress", 'ignore = [\n  "a",\n  "y",\n]\n', ("11, [models.m] ignore[1]: the target stands here too. "
         "Received 'y'. Take it out.")),
        ("", "regress", 'features = ["a"]\nignore = ["a"]\n', ("10, [models.m] ignore[0]: stands in features too. "
         "Received 'a'. Keep one.")),
        ('rows = ["f.py", "f.py"]\n', "regress", "", "5, [data.d] rows[1]: named twice. Received 'f.py'. Keep one."),
        ('cluster_by = ["a", "a"]\n', "regress", "", "5, [data.d] cluster_by[1]: named twice. Received 'a'. Keep one."),
        ('key = "k"\ngroup = "k"\n', "regress", "", ("6, [data.d] group: also the key. Received 'k'. The key names one "
         "row, the group many: name another column.")),
        ("", "regress", 'metric = "f1"\n', ("9, [models.m] metric: only classify has classes. Received 'f1'. "
         "Remove it; it says how to decide between classes.")),
        ("", "regress", 'must_use = ["a"]\nnever_use = ["a"]\n', ("9, [models.m] must_use[0]: stands in never_use too. "
         "Received 'a'. Keep one.")),
        ("", "regress", 'weight = "y"\n', ("9, [models.m] weight: the target stands here too. Received 'y'. "
         "Name another column.")),
    ],
)  # fmt: skip
def test_contradictions_between_keys_are_named(faults: Faults, data: str, task: str, model: str, expected: str) -> None:
    assert faults(MODEL.format(data=data, task=task, model=model)) == [f"cauce.toml:{expected}"]


def test_a_model_of_a_faulty_data_set_is_not_blamed_for_it(faults: Faults) -> None:
    text = MODEL.format(data='tim = "t"\n', task="regress", model='split.kind = "time"\n')
    assert faults(text) == ["cauce.toml:5, [data.d] tim: unknown key. Did you mean 'time'?"]


def test_a_fault_hides_no_missing_source_of_another_data_set(faults: Faults) -> None:
    text = MODEL.format(data='tim = "t"\n', task="regress", model="") + '[data.other]\nsource = "gone.csv"\n'
    told = faults(text)
    assert told[0] == "cauce.toml:5, [data.d] tim: unknown key. Did you mean 'time'?"
    assert "[data.other] source: no such file. Received 'gone.csv'." in told[1]


@pytest.mark.parametrize(
    ("key", "meant"), [("exclude", "ignore"), ("label", "target"), ("Y", "target"), ("eval_metric", "loss")]
)
def test_a_key_of_another_program_is_translated(faults: Faults, key: str, meant: str) -> None:
    (told,) = faults(MODEL.format(data="", task="regress", model=f'{key} = "a"\n'))
    assert told.endswith(f"unknown key. Did you mean {meant!r}?")


def test_without_a_project_table_the_rest_is_still_judged(faults: Faults) -> None:
    assert faults('[models.m]\ntask = "x"\ndata = "d"\ntarget = "y"\n') == [
        "cauce.toml: [project] is missing. Add [project] with name.",
        "cauce.toml:2, [models.m] task: not a task. Received 'x'. Known: classify, regress.",
        "cauce.toml:3, [models.m] data: no such data set. Received 'd'. Add [data.d] with its source.",
    ]


def test_nothing_is_said_of_checks_whose_codes_are_unknown(write: Callable[[str], Path]) -> None:
    assert load(write('[project]\nname = "p"\n[audit.checks.anything]\n'), {}).file.audit.checks


@pytest.mark.parametrize("value", ["nan", "inf", "-1", "1.0"])
def test_a_margin_beyond_its_limits_is_refused(faults: Faults, value: str) -> None:
    (message,) = faults(MODEL.format(data="", task="regress", model=f"margin = {value}\n"))
    assert message.startswith("cauce.toml:9, [models.m] margin: out of range.")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "cauce.toml: the file is empty. Run `cauce init NAME` in a new folder for one to start from."),
        ("\ufeff \n", "cauce.toml: the file is empty. Run `cauce init NAME` in a new folder for one to start from."),
        (b"[project]\nname = 'Espa\xf1a'", ("cauce.toml:2: not UTF-8. Received b'\\xf1'. "
         "Save the file as UTF-8; `iconv -f latin1 -t utf-8` converts an older one.")),
        ("[project]".encode("utf-16"), ("cauce.toml:1: not UTF-8. Received 'a UTF-16 file'. "
         "Save the file as UTF-8; `iconv -f latin1 -t utf-8` converts an older one.")),
        ("a = 1\nb = \"x\n", "Close the quotation mark."),
        ("b = 'x\n", "Close the quotation mark."),
        ('b = """x\n', "Close the quotation mark."),
        ('name: "x"', "Put = between key and value, not a colon."),
        ("name = x", 'Put text between quotes: key = "text".'),
        ("[project\nname = 'x'", "Close the table's name with ]."),
        ("name = # nothing", "Write a value after the =, or leave the key out."),
        ("a = 1\na = 2", "The same name stands twice; keep one of them."),
        ("[a]\n[a]\n", "The same name stands twice; keep one of them."),
        ('source = "C:\\data\\rows.csv"', "Put a path with backslashes between single quotes: 'C:\\data\\rows.csv'."),
        ("margin = 0,02", "Write decimals with a point: 0.02."),
        ("margin = None", "TOML has no empty value: leave the key out."),
        ("name = “x”", "Use straight quotation marks: \" or '."),
        ("on = True", "Write true or false in lower case."),
        ("just text", 'Write key = value, such as source = "rows.csv".'),
        ('a = "x\x01"', "Remove the invisible character from this line."),
        ("a = [1,\n2", "Close it with ]."),
        ("a = 1 2", "Look at this line and at the one above it."),
        ("a = " + "[" * 3000 + "]" * 3000, "Nothing in cauce.toml needs more than four levels."),
    ],
)  # fmt: skip
def test_a_file_that_is_not_toml_gets_its_line_and_a_hint(faults: Faults, text: str | bytes, expected: str) -> None:
    (message,) = faults(text)
    assert message.endswith(expected)


def test_a_syntax_error_names_its_line_and_shows_it(faults: Faults) -> None:
    assert faults("# head\n\n[project]\nname = academy\n") == [
        "cauce.toml:4: not TOML: invalid value. Received 'name = academy'. Put text between quotes: key = \"text\"."
    ]


def test_a_byte_order_mark_and_windows_line_ends_are_read(write: Callable[[bytes], Path]) -> None:
    project = load(write(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode()), {})
    assert project.where("models", "drop-out", "task") == "cauce.toml:11, [models.drop-out] task"


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(Problems, match=r"no such file. Run `cauce init NAME`"):
        load(tmp_path / "cauce.toml", {})
    with pytest.raises(Problems, match="a folder, not a file"):
        load(tmp_path, {})


def test_the_nearest_project_upwards_is_found(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / "cauce.toml").touch()
    assert find(inner) == tmp_path / "cauce.toml"
    assert find(tmp_path / "cauce.toml") == tmp_path / "cauce.toml"
    (tmp_path / "a" / "cauce.toml").touch()
    assert find(inner) == tmp_path / "a" / "cauce.toml"


def test_where_no_project_is_the_hint_makes_one(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no cauce.toml here or in a folder above. Run `cauce init NAME`"):
        find(tmp_path)


def test_a_password_in_an_address_is_refused_and_not_shown(faults: Faults) -> None:
    text = '[project]\nname = "p"\n\n[data.web-shop]\nsource = "postgresql://ana:s3cr3t@db/shop"\ntable = "orders"\n'
    told = next(line for line in faults(text) if "password" in line)
    assert told.startswith("cauce.toml:5, [data.web-shop] source: a password may not stand in cauce.toml")
    assert "CAUCE_PASSWORD_WEB_SHOP" in told
    assert "s3cr3t" not in "".join(faults(text))
