import os
import time

import pytest

ESCAPE = (
    "  expected: a file in the policy's folder, or in a folder that you name\n"
    "  do: declare a variable for the folder, begin the path with ${variable}/ and give it with --set"
)


@pytest.fixture
def outside(desk, samples):
    """A folder beside the policy's, with the same data in it."""
    folder = desk.folder.parent / "elsewhere"
    folder.mkdir()
    (folder / "applicants.csv").write_text(samples.applicants)
    return folder


@pytest.fixture
def shared(desk):
    """The policy with its rows in a declared folder."""
    desk.change(
        "model:\n",
        "variables:\n  shared: {env: INSPECTOSCOPE_SHARED, default: ../elsewhere, about: the data sets}\nmodel:\n",
    )
    return desk.change("rows: data/applicants.csv", "rows: ${shared}/applicants.csv")


def test_dots_lead_out(desk, outside):
    message = desk.change("rows: data/applicants.csv", "rows: ../elsewhere/applicants.csv").problem()

    assert message == (
        "policy.yaml:11:11: the path ../elsewhere/applicants.csv, which leads out of "
        f"{desk.folder}\n        rows: ../elsewhere/applicants.csv\n              ^\n{ESCAPE}"
    )


def test_an_absolute_path_leads_out_unless_it_leads_in_again(desk, outside):
    desk.change("rows: data/applicants.csv", f"rows: {desk.folder}/data/applicants.csv").load()

    message = desk.change(f"rows: {desk.folder}/data", f"rows: {outside}").problem()

    assert "which leads out of" in message
    assert message.endswith(ESCAPE)


def test_what_a_symbolic_link_leads_to_is_what_counts(desk, outside):
    (desk.folder / "data" / "link.csv").symlink_to(outside / "applicants.csv")
    (desk.folder / "folder").symlink_to(outside)
    (desk.folder / "inside.csv").symlink_to(desk.folder / "data" / "applicants.csv")

    by_file = desk.change("rows: data/applicants.csv", "rows: data/link.csv").problem()
    by_folder = desk.change("rows: data/link.csv", "rows: folder/applicants.csv").problem()

    assert "the path data/link.csv, which leads out of" in by_file
    assert "the path folder/applicants.csv, which leads out of" in by_folder
    assert desk.change("rows: folder/applicants.csv", "rows: inside.csv").dataset().card.rows_used == 4


def test_a_loop_of_links_is_no_file(desk):
    (desk.folder / "loop.csv").symlink_to(desk.folder / "loop.csv")

    message = desk.change("rows: data/applicants.csv", "rows: loop.csv").problem()

    assert message.startswith("policy.yaml:11:11: ")
    assert "loop.csv" in message


def test_tables_of_parameters_and_lists_are_confined_too(desk, outside):
    desk.change("pairs: data/name_pairs.csv", f"pairs: {outside}/applicants.csv")

    assert "which leads out of" in desk.problem()

    desk.data(
        """
        template: "{a} {b}"
        lists: {a: ../elsewhere/applicants.csv, b: [x]}
        """
    )

    assert "the path ../elsewhere/applicants.csv, which leads out of" in desk.problem()


# --------------------------------------------------------------------------------------------------
# Variables
# --------------------------------------------------------------------------------------------------


def test_a_variable_given_on_the_command_line_opens_its_folder(shared, outside):
    policy = shared.load(f"shared={outside}")

    assert policy.datasets["applicants"].card.source == "${shared}/applicants.csv"
    assert policy.overrides == {"shared": str(outside)}


def test_a_relative_folder_on_the_command_line_is_relative_to_where_it_runs(shared, outside, monkeypatch):
    monkeypatch.chdir(outside.parent)

    assert shared.dataset("shared=elsewhere").card.rows_used == 4


def test_a_variable_given_by_the_environment_opens_its_folder(shared, outside):
    policy = shared.load(environ={"INSPECTOSCOPE_SHARED": str(outside)})

    assert policy.datasets["applicants"].card.rows_used == 4


def test_the_command_line_outranks_the_environment(shared, outside):
    assert shared.load(f"shared={outside}", environ={"INSPECTOSCOPE_SHARED": "/nowhere"})


def test_a_default_that_leads_out_is_not_the_users_word(shared, outside):
    assert shared.problem() == (
        "policy.yaml:13:11: the variable `shared`, whose default leads out of the policy's folder, "
        f"to {outside}\n"
        "        rows: ${shared}/applicants.csv\n"
        "              ^\n"
        "  expected: a folder that you name\n"
        "  do: give it with --set shared=FOLDER or INSPECTOSCOPE_SHARED=FOLDER (the data sets)"
    )


def test_a_default_inside_the_policys_folder_is_used(shared):
    assert shared.change("default: ../elsewhere", "default: data").dataset().card.rows_used == 4


def test_a_variable_without_a_value_says_how_to_give_it(shared):
    shared.change("default: ../elsewhere, ", "")

    assert shared.problem(environ={"INSPECTOSCOPE_SHARED": ""}).endswith(
        "  do: give it with --set shared=FOLDER or INSPECTOSCOPE_SHARED=FOLDER (the data sets)"
    )


def test_a_named_folder_is_not_left_again(shared, outside):
    shared.change("${shared}/applicants.csv", "${shared}/../policies/data/applicants.csv")

    assert f"which leads out of {outside}" in shared.problem(f"shared={outside}")


def test_a_variable_may_name_the_file_itself(shared, outside):
    shared.change("${shared}/applicants.csv", "${shared}")

    assert shared.dataset(f"shared={outside / 'applicants.csv'}").card.rows_used == 4


def test_a_path_given_on_the_command_line_is_the_users_word(desk, outside, monkeypatch):
    monkeypatch.chdir(outside)

    assert desk.dataset("data.applicants.rows=applicants.csv").card.rows_used == 4


@pytest.mark.parametrize("path", ["data/${shared}.csv", "${shared}${shared}", "${shared}x", "${shared", "${a} ${b}"])
def test_a_variable_stands_only_at_the_beginning(shared, outside, path):
    shared.change("${shared}/applicants.csv", f'"{path}"')

    assert "expected: a variable only as the whole beginning: ${variable}/rest" in shared.problem(f"shared={outside}")


def test_an_undeclared_variable_names_the_nearest(shared):
    shared.change("${shared}/applicants.csv", "${sharde}/applicants.csv")

    assert shared.problem() == (
        "policy.yaml:13:11: the undeclared variable `sharde`\n"
        "        rows: ${sharde}/applicants.csv\n"
        "              ^\n"
        "  expected: shared\n"
        "  do: did you mean `shared`?"
    )


def test_only_variables_of_this_program_are_read_from_the_environment(shared):
    shared.change("env: INSPECTOSCOPE_SHARED", "env: HOME").change("default: ../elsewhere", "default: data")

    assert "expected: the name of an environment variable that starts with INSPECTOSCOPE_" in shared.problem()


def test_a_variable_is_not_named_like_a_key(desk):
    desk.change("model:\n", "variables: {seed: {default: data}}\nmodel:\n")

    assert "a variable named `seed`, like a key of the policy" in desk.problem()


# --------------------------------------------------------------------------------------------------
# What is no file
# --------------------------------------------------------------------------------------------------


def test_a_missing_file_names_its_neighbour(desk):
    assert desk.change("rows: data/applicants.csv", "rows: data/aplicants.csv").problem() == (
        "policy.yaml:11:11: data/aplicants.csv, which does not exist\n"
        "        rows: data/aplicants.csv\n"
        "              ^\n"
        "  expected: the path of a file\n"
        "  do: did you mean `applicants.csv`?"
    )


def test_a_folder_is_no_file(desk):
    (desk.folder / "x.csv").mkdir()

    message = desk.change("rows: data/applicants.csv", "rows: x.csv").problem()

    assert message.startswith("policy.yaml:11:11: x.csv, which is a folder\n")


def test_a_pipe_is_refused_without_waiting_for_it(desk):
    os.mkfifo(desk.folder / "x.csv")
    start = time.perf_counter()

    message = desk.change("rows: data/applicants.csv", "rows: x.csv").problem()

    assert message.startswith("policy.yaml:11:11: x.csv, which is a device, pipe or socket\n")
    assert time.perf_counter() - start < 2


def test_a_device_in_a_named_folder_is_refused(shared):
    shared.change("${shared}/applicants.csv", "${shared}/zero")

    assert "/dev/zero, which is a device, pipe or socket" in shared.problem("shared=/dev")


def test_a_file_over_the_bound_is_refused_before_it_is_read(desk):
    with (desk.folder / "big.csv").open("wb") as stream:
        stream.truncate((2 << 30) + 1)  # a sparse file: it takes no room

    message = desk.change("rows: data/applicants.csv", "rows: big.csv").problem()

    assert "big.csv, of 2,147,483,649 bytes" in message
    assert "expected: a file of at most 2,147,483,648 bytes" in message
