"""The journal, also after a write that was interrupted."""

from hypothesis import given, settings
from hypothesis import strategies as st

from darksound.run.journal import Journal


def test_entries_come_back_in_order(tmp_path):
    journal = Journal(tmp_path / "journal.jsonl")
    assert journal.read() == []
    journal.append("started", argv=["mec"])
    journal.append("iteration", dbcv=0.25, note="é\n")
    assert [e["event"] for e in journal.read()] == ["started", "iteration"]
    assert journal.read()[1]["note"] == "é\n"
    assert all(e["time"].endswith("+00:00") for e in journal.read())


# Each entry is flushed to disk, which has no time limit on a busy machine.
@settings(deadline=None)
@given(cut=st.integers(1, 60))
def test_an_incomplete_last_line_is_skipped_and_the_next_entry_is_complete(tmp_path_factory, cut):
    journal = Journal(tmp_path_factory.mktemp("run") / "journal.jsonl")
    journal.append("first", n=1)
    journal.append("incomplete", n=2)
    content = journal.path.read_bytes()
    journal.path.write_bytes(content[:-cut])
    journal.append("after", n=3)
    events = [e["event"] for e in journal.read()]
    assert events[0] == "first"
    assert events[-1] == "after"
    assert len(events) == 3 if cut == 1 else len(events) == 2
