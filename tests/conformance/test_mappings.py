import pytest

from d4py_adaptive.testing.mapping_suite import (
    FailureSuite,
    ItemsSuite,
    LifecycleSuite,
    MachineSuite,
    MappingSuite,
    ResultsSuite,
)
from d4py_adaptive.testing.suite_base import SuiteBase


class TestSimple(MappingSuite):
    mapping = "simple"


@pytest.mark.parametrize("seed", range(2))
class TestToy(MappingSuite):
    """Adversarial schedules; the random workflows try many more seeds."""

    mapping = "toy"
    scale = 0.1

    @pytest.fixture(autouse=True)
    def _seed(self, seed, monkeypatch):
        monkeypatch.setattr(type(self), "options", {"workers": 3, "seed": seed})


class TestMultiFork(MappingSuite):
    mapping = "multi"
    options = {"workers": 3, "start_method": "fork"}


class TestMultiForkserver(SuiteBase):
    """What the start method can change; the rest is the same code as with fork."""

    mapping = "multi"
    options = {"workers": 2, "start_method": "forkserver"}

    test_keys = ResultsSuite.test_keys_that_are_equal_meet_in_one_instance
    test_ungrouped_state = ResultsSuite.test_ungrouped_state_has_as_many_instances_as_it_says
    test_lives = LifecycleSuite.test_postprocess_comes_after_what_upstreams_wrote_in_theirs
    test_drained = LifecycleSuite.test_results_are_drained_while_the_run_goes_on
    test_items = ItemsSuite.test_items_of_every_kind_arrive_as_they_were
    test_local = ItemsSuite.test_what_cannot_be_imported_elsewhere_travels_too
    test_copied = ItemsSuite.test_a_pe_that_cannot_be_copied_runs_itself
    test_travel = ItemsSuite.test_an_item_that_cannot_travel_is_an_error_that_names_pe_and_port
    test_failing = FailureSuite.test_a_failing_pe_ends_the_run_and_says_where
    test_raises = FailureSuite.test_whatever_a_pe_raises_is_its_failure
    test_endless = FailureSuite.test_a_failure_downstream_ends_an_endless_source
    test_letter = FailureSuite.test_a_skipped_item_is_in_the_dead_letter_file_as_it_came
    test_seed = MachineSuite.test_a_seed_makes_the_whole_run_repeatable
    test_prints = MachineSuite.test_prints_come_out_whole_and_named


class TestMultiSpawn(SuiteBase):
    """The same in fewer tests: every worker starts a new Python."""

    mapping = "multi"
    options = {"workers": 2, "start_method": "spawn"}

    test_keys = ResultsSuite.test_keys_that_are_equal_meet_in_one_instance
    test_local = ItemsSuite.test_what_cannot_be_imported_elsewhere_travels_too
    test_copied = ItemsSuite.test_a_pe_that_cannot_be_copied_runs_itself
    test_travel = ItemsSuite.test_an_item_that_cannot_travel_is_an_error_that_names_pe_and_port
    test_unusual = FailureSuite.test_an_unknown_output_is_an_error_that_lists_those_there_are
    test_prints = MachineSuite.test_prints_come_out_whole_and_named
