"""The conditions of claiming: what a declaration puts in force, and what a machine cannot meet."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.run.test_submit import HEADER

from manyfit import connect
from manyfit.declare import from_mapping, to_json
from manyfit.model.control import Entry, Pause, Resume, SetTerms, Stop, pauses_in_force, terms_in_force
from manyfit.model.terms import Concurrency, Needs, Terms, terms_from_json, terms_to_json
from manyfit.run.identity import worker_info
from manyfit.run.terms import declared_terms, merged_terms, unmet_here, with_old_names

GPU = Needs(gpus=1, gpu_memory_bytes=2**34)
PLAIN = Terms(priority=10)


def chain(*actions):
    return [Entry(position=n, action=action, by="w", at=0.0) for n, action in enumerate(actions, 1)]


def test_the_last_terms_are_in_force():
    """Whatever else stands in the chain; without any there are no conditions."""
    assert terms_in_force(chain(Stop())) == Terms()
    assert terms_in_force(
        chain(SetTerms(terms=Terms(tenant="a")), SetTerms(terms=Terms(priority=3)), Stop())
    ) == Terms(priority=3)


def test_pauses_add_up_until_they_are_resumed():
    """A pipeline and the sweep are paused apart; a Resume without a pipeline ends everything."""
    held = [Pause(pipeline="svc", reason="hot"), Pause(), Pause(pipeline="rf")]
    assert pauses_in_force(chain(*held)) == {"svc": "hot", "": "", "rf": ""}
    assert pauses_in_force(chain(*held, Resume(pipeline="svc"))) == {"": "", "rf": ""}
    assert pauses_in_force(chain(*held, Resume())) == {}
    assert pauses_in_force(chain(Resume(pipeline="svc"), Resume())) == {}


def test_terms_survive_as_json():
    """As the store's files have them."""
    terms = Terms(
        priority=3,
        tenant="lab-a",
        concurrency=Concurrency(sweep=2, pipelines={"svc": 1}),
        needs={"": Needs(labels=("a", "b")), "svc": GPU},
    )
    assert terms_from_json(terms_to_json(terms)) == terms


def test_a_header_says_what_its_sweep_declared():
    """From the normal form that `declare` writes; headers of earlier versions and foreign ones declare nothing."""
    spec, mistakes = from_mapping(
        {
            "name": "s",
            "data": "sklearn:iris",
            "pipelines": {"svc": {"steps": ["SVC"], "needs": {"gpus": 1, "gpu_memory": "16GiB"}}},
            "tenant": "lab-a",
            "concurrency": {"sweep": 3, "pipelines": {"svc": 1}},
        }
    )
    assert mistakes == []
    assert declared_terms(replace(HEADER, spec=to_json(spec), priority=20)) == Terms(
        priority=20,
        tenant="lab-a",
        concurrency=Concurrency(sweep=3, pipelines={"svc": 1}),
        needs={"": Needs(), "svc": GPU},
    )
    assert declared_terms(HEADER) == PLAIN


def test_the_first_declaration_holds_as_it_is():
    """Its priority stands in its segments; what a submission that was killed left in force does not matter."""
    declared = Terms(priority=20, tenant="a", needs={"": GPU})
    assert merged_terms(Terms(tenant="b"), None, declared) == replace(declared, priority=None)


@pytest.mark.parametrize(
    ("in_force", "declared", "expected"),
    [
        (None, 10, None),
        (None, 20, 20),
        (30, 10, 30),
        (30, 20, 20),
    ],
)
def test_a_priority_is_put_in_force_when_the_declaration_changed_it(in_force, declared, expected):
    """What a person commanded stays while the declaration says the same as before."""
    merged = merged_terms(Terms(priority=in_force), PLAIN, replace(PLAIN, priority=declared))
    assert merged.priority == expected


def test_limits_change_one_by_one():
    """A limit that the declaration left alone stays as a person set it, whatever it says of others."""
    before = Concurrency(sweep=4, tenant=9, pipelines={"svc": 2, "rf": 2, "nn": 1})
    commanded = Concurrency(sweep=1, tenant=9, pipelines={"svc": 5, "rf": 2, "nn": 1, "knn": 7})
    declared = Concurrency(sweep=4, tenant=None, pipelines={"svc": 2, "rf": 3})

    merged = merged_terms(
        Terms(concurrency=commanded), replace(PLAIN, concurrency=before), replace(PLAIN, concurrency=declared)
    )

    assert merged.concurrency == Concurrency(sweep=1, tenant=None, pipelines={"svc": 5, "rf": 3, "knn": 7})


counts = st.none() | st.integers(1, 3)
limits = st.builds(
    Concurrency,
    sweep=counts,
    tenant=counts,
    pipelines=st.dictionaries(st.sampled_from("abc"), st.integers(1, 3), max_size=3),
)
declarations = st.builds(
    Terms,
    priority=st.integers(0, 2),
    tenant=st.sampled_from(["", "x"]),
    concurrency=limits,
    needs=st.dictionaries(st.sampled_from(["", "a", "b"]), st.sampled_from([GPU, Needs(cores=1)]), max_size=2),
)
commanded = st.builds(Terms, priority=st.none() | st.integers(0, 2), concurrency=limits)


@given(in_force=commanded, before=st.none() | declarations, declared=declarations)
def test_the_same_declaration_again_changes_nothing(in_force, before, declared):
    """Whatever was in force and declared before; and a command in between survives it."""
    merged = merged_terms(in_force, before, declared)
    assert merged_terms(merged, declared, declared) == merged
    after_command = replace(merged, priority=in_force.priority, concurrency=in_force.concurrency)
    assert merged_terms(after_command, declared, declared) == after_command


@given(in_force=commanded, before=declarations, declared=declarations)
def test_what_a_declaration_changes_is_in_force_afterwards(in_force, before, declared):
    """Every limit and the priority: as declared where that changed, else as it was in force."""
    merged = merged_terms(in_force, before, declared)
    for name in "abc":
        old, new = before.concurrency.pipelines.get(name), declared.concurrency.pipelines.get(name)
        expected = new if new != old else in_force.concurrency.pipelines.get(name)
        assert merged.concurrency.pipelines.get(name) == expected
    for field in ("sweep", "tenant"):
        old, new = getattr(before.concurrency, field), getattr(declared.concurrency, field)
        assert getattr(merged.concurrency, field) == (new if new != old else getattr(in_force.concurrency, field))


def test_tenant_and_needs_are_those_of_the_declaration():
    """There is no command that sets them."""
    declared = replace(PLAIN, tenant="b", needs={"svc": GPU})
    merged = merged_terms(Terms(tenant="a", needs={"": GPU}), replace(PLAIN, tenant="a"), declared)
    assert (merged.tenant, merged.needs) == ("b", {"svc": GPU})


def test_terms_hold_for_the_old_names_of_pipelines_too():
    """Known tasks keep the old name; what the old name has of its own stays."""
    terms = Terms(concurrency=Concurrency(pipelines={"new": 2, "b": 1}), needs={"new": GPU, "a": Needs(cores=1)})
    both = with_old_names(terms, {"new": "old", "b": "a"})
    assert both.concurrency.pipelines == {"new": 2, "old": 2, "b": 1, "a": 1}
    assert both.needs == {"new": GPU, "old": GPU, "a": Needs(cores=1)}


def test_what_a_machine_cannot_meet_is_told_by_pipeline():
    """Pipelines that can run here are left out; the reasons are those of the needs."""
    worker = replace(worker_info(2, lambda: 0.0), gpu_bytes=(), memory_bytes=2**30, host="here", labels=("x",))
    terms = Terms(needs={"": Needs(labels=("x",)), "nn": GPU, "far": Needs(hosts=("there*",), cores=8)})

    found = unmet_here(terms, worker, ["svc", "nn", "far"])

    assert list(found) == ["nn", "far"]
    assert "GPU of 16 GiB" in found["nn"][0]
    assert ["needs 8 cores" in found["far"][0], "there*" in found["far"][1]] == [True, True]
    assert unmet_here(Terms(), worker, ["svc", "nn"]) == {}


def test_terms_are_no_part_of_what_a_task_is(tmp_path):
    """A sweep that says where, when and how long has the same tasks, with the same keys."""
    plain = {"name": "s", "data": "sklearn:iris", "pipelines": {"svc": {"steps": ["SVC"], "grid": {"C": [1, 2]}}}}
    full = {
        **plain,
        "pipelines": {"svc": {**plain["pipelines"]["svc"], "needs": {"gpus": 1}}},
        "tenant": "lab-a",
        "priority": "urgent",
        "store": "sqlite:///fits.db",
        "concurrency": {"sweep": 3, "tenant": 4, "pipelines": {"svc": 1}},
        "needs": {"cores": 4, "hosts": "a*"},
        "limits": {"memory": "1GiB", "memory_cap": "2GiB"},
        "retention": {"completed": "never", "logs": "1d"},
    }
    assert keys(plain, tmp_path) == keys(full, tmp_path)


def keys(mapping, folder):
    plan = connect.plan_sweep(connect.declare_sweep(mapping, folder), n_workers=1).plan
    assert plan.n_tasks == 10
    return [candidate.key for candidate in plan.candidates], [cell.key for cell in plan.cells]
