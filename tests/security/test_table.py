"""What has gone wrong in systems like this one, and the tests that replay each attack: the index must stay true."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TABLE: dict[str, tuple[str, ...]] = {
    "path traversal, local file read and write": (
        "track/test_tracker.py::test_a_name_that_is_none_is_refused_everywhere",
        "track/test_tracker.py::test_a_document_stays_in_its_folder",
        "track/test_tracker.py::test_a_path_that_mlflow_misreads_is_refused",
        "track/test_package.py::test_a_manifest_that_leaves_its_folder_is_refused",
        "report/test_pages.py::test_only_the_consoles_own_files_can_be_asked_for",
        "security/test_http.py::test_a_code_makes_one_session_that_opens_the_console_alone",
        "security/test_whole_loop.py::test_a_hostile_name_makes_no_file_anywhere",
        "security/test_rights.py::test_no_path_reads_a_file",
        "security/test_tokens.py::test_a_name_is_taken_once_and_the_owners_is_no_name",
        "security/test_tls.py::test_what_clients_would_refuse_is_refused_with_what_to_do",
    ),
    "pickle and unsafe deserialisation": (
        "track/test_package.py::test_nothing_in_a_package_is_a_pickle",
        "track/test_package.py::test_one_flipped_byte_in_any_file_refuses",
        "track/test_pyfunc.py::test_the_loader_refuses_any_changed_file",
        "security/test_release.py::test_one_flipped_byte_in_any_file_of_a_real_release_refuses",
        "security/test_release.py::test_the_service_answers_with_nothing_of_a_changed_release",
        "security/test_release.py::test_code_hidden_in_the_metadata_of_a_parquet_file_does_not_run",
        "security/test_whole_loop.py::test_no_socket_leaves_loopback_and_no_pickle_is_written",
    ),
    "unauthenticated endpoint": (
        "security/test_http.py::test_no_route_answers_without_the_token",
        "security/test_http.py::test_paths_that_are_no_routes_tell_nothing_without_the_token",
        "security/test_http.py::test_others_are_not_let_in_without_a_token_file_of_ones_own",
        "security/test_rights.py::test_every_route_is_shut_without_a_token_and_for_every_wrong_scope",
        "security/test_tokens.py::test_named_tokens_suffice_to_be_reached_by_others",
    ),
    "default password": (
        "security/test_http.py::test_an_empty_token_opens_nothing",
        "security/test_http.py::test_the_sign_in_form_takes_the_token_and_nothing_else",
        "security/test_rights.py::test_no_default_credential_exists",
        "security/test_tokens.py::test_no_token_lies_on_the_disk_or_in_memory_in_plain",
    ),
    "guessing": (
        "security/test_limits.py::test_guesses_from_one_address_are_slowed_down_and_a_right_token_is_not",
        "security/test_limits.py::test_failed_sign_ins_are_slowed_down_and_fill_no_log",
        "security/test_limits.py::test_a_refused_request_costs_a_place_as_well",
    ),
    "a token that leaked": (
        "security/test_tokens.py::test_an_exchanged_token_works_for_its_grace_alone",
        "security/test_tokens.py::test_a_running_service_follows_within_a_second",
        "security/test_tokens.py::test_a_session_ends_with_the_token_that_began_it",
        "security/test_release.py::test_a_running_service_takes_and_drops_tokens_without_a_restart",
    ),
    "nobody knows who did it": (
        "security/test_admin_log.py::test_what_a_person_decides_stands_in_it",
        "security/test_tokens.py::test_sign_ins_and_those_refused_stand_in_the_log",
        "security/test_tokens.py::test_what_cannot_be_written_down_is_not_done",
    ),
    "listening in": ("security/test_tls.py::test_a_real_socket_speaks_https_with_modern_ciphers_and_nothing_else",),
    "browser-borne: CSRF, DNS rebinding": (
        "security/test_http.py::test_another_host_is_refused_on_every_route",
        "security/test_http.py::test_another_origin_is_refused_on_every_method",
        "security/test_http.py::test_every_answer_carries_the_browser_s_guards",
        "security/test_rights.py::test_no_other_site_may_read_an_answer",
        "security/test_rights.py::test_a_header_that_two_readers_may_read_differently_is_refused",
    ),
    "command and template injection": (
        "report/test_pages.py::test_names_from_data_never_become_markup",
        "data/test_hostile_names.py::test_hostile_column_name_comes_back_as_it_is",
        "security/test_whole_loop.py::test_a_hostile_name_makes_no_file_anywhere",
        "security/test_tokens.py::test_what_makes_no_sense_is_refused_and_changes_nothing",
        "e2e/test_browser.py::test_the_console_opens_once_shows_the_champion_and_follows_the_traffic",
    ),
    "auth bypass by one route": (
        "security/test_http.py::test_the_route_table_is_the_one_that_is_walked",
        "security/test_rights.py::test_every_route_of_the_application_has_its_rule_and_no_rule_is_left_over",
        "security/test_rights.py::test_a_route_without_a_rule_answers_nobody",
        "security/test_rights.py::test_no_method_goes_round_the_scope",
        "security/test_rights.py::test_the_rule_of_a_path_is_that_of_the_route_which_answers_it",
        "security/test_rights.py::test_no_spelling_of_a_path_goes_round_the_scope",
    ),
    "SSRF through a registered source": (
        "security/test_http.py::test_the_route_table_is_the_one_that_is_walked",  # none takes a source
        "security/test_whole_loop.py::test_a_source_on_the_network_is_not_fetched",
        "data/sources/test_files.py::test_what_does_not_fit_is_refused",
    ),
    "decompression bombs, crafted files": (
        "data/sources/test_hostile.py::test_a_gzip_bomb_is_refused",
        "data/sources/test_hostile.py::test_a_zip_bomb_in_a_workbook_is_refused",
        "data/sources/test_hostile.py::test_cells_at_the_far_corner_are_refused_not_allocated",
        "data/sources/test_hostile.py::test_a_csv_of_one_line_is_refused_in_bounded_memory",
        "data/sources/test_hostile.py::test_crafted_parquet_footers_load_or_are_refused",
        "data/sources/test_hostile.py::test_a_delta_log_cannot_name_a_file_elsewhere",
        "data/sources/test_hostile.py::test_a_duckdb_view_cannot_read_files",
    ),
    "secrets in files and messages": (
        "data/sources/test_postgres.py::test_a_password_in_the_address_is_refused_and_not_shown",
        "data/sources/test_postgres.py::test_a_wrong_password_is_not_shown",
        "data/sources/test_postgres.py::test_nothing_secret_lies_in_the_lake",
        "project/test_load.py::test_a_password_in_an_address_is_refused_and_not_shown",
    ),
    "the project's own code and SQL": (
        "core/test_scripts.py::test_names_that_lead_outside_are_refused",
        "core/test_scripts.py::test_a_link_that_leads_outside_is_refused",
        "security/test_own_code.py::test_code_that_exits_is_an_error_with_its_line_and_no_success",
        "security/test_own_code.py::test_a_check_that_exits_is_told_and_the_audit_goes_on",
        "security/test_own_code.py::test_what_code_prints_is_no_part_of_the_answer",
        "security/test_own_code.py::test_a_with_hides_no_table_beyond_its_reach",
        "security/test_own_code.py::test_every_function_of_duckdb_that_is_not_the_same_each_time_is_refused",
        "security/test_own_code.py::test_every_table_function_of_duckdb_but_those_of_numbers_is_refused",
        "e2e/test_rows.py::test_a_changed_byte_of_the_packed_code_is_refused_before_it_runs",
    ),
    "damaged records": ("security/test_kept.py::test_what_is_kept_and_cannot_be_read_is_made_anew",),
    "telemetry": (
        "track/test_silence.py::test_telemetry_stays_off_where_the_environment_asks_for_it",
        "security/test_http.py::test_the_service_reads_no_telemetry_settings",
        "security/test_whole_loop.py::test_no_socket_leaves_loopback_and_no_pickle_is_written",
    ),
    # "hidden prompts in documents" gets its tests with the task that reads documents.
}


@pytest.mark.parametrize("kind", TABLE)
def test_every_kind_of_attack_has_its_tests(kind: str) -> None:
    for test in TABLE[kind]:
        file, _, name = test.partition("::")
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
        assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}, test
