"""Start-up without the collector: off while importing, on again for the work and after."""

from __future__ import annotations

import gc

import pytest

from seqline.startup import started, undisturbed


def test_the_collector_is_off_until_the_work_starts() -> None:
    with undisturbed():
        assert not gc.isenabled()
        before = gc.get_freeze_count()
        started()
        assert gc.isenabled() and gc.get_freeze_count() > before
        gc.unfreeze()
    assert gc.isenabled()


def test_it_is_on_again_after_a_failure() -> None:
    with pytest.raises(ZeroDivisionError), undisturbed():
        raise ZeroDivisionError
    assert gc.isenabled()


def test_where_it_was_never_off_nothing_is_frozen() -> None:
    before = gc.get_freeze_count()
    started()
    assert gc.isenabled() and gc.get_freeze_count() == before
