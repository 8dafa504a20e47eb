"""One process at a time writes to a folder, and nobody waits for the dead."""

import os
import signal
import threading
from dataclasses import replace

import pytest

from skdict._files import Lock, _locks, locked, restore_interrupted, whole_folder
from skdict._files._owners import Owner
from tests._files.processes import NEW_PID_SPACE, OLD_PROC, needs, python, told_by

HOLD = """
with Lock(folder) as lock:
    print("held by", os.getpid(), flush=True)
    input()
"""
TAKE = """
try:
    Lock(folder).close()
    print("taken by", os.getpid())
except FileExistsError as error:
    print(error)
"""
PID_SPACES = pytest.mark.parametrize("prefix", [NEW_PID_SPACE, OLD_PROC], ids=["proc", "old proc"])


def test_a_second_one_is_refused_and_told_who_holds_it(tmp_path):
    with Lock(tmp_path / "store"):
        with pytest.raises(FileExistsError, match=rf"process {os.getpid()} on .* is writing to"):
            Lock(tmp_path / "store")
        assert f"process {os.getpid()} on " in told_by(TAKE, tmp_path / "store")
        Lock(tmp_path / "other").close()
    assert told_by(TAKE, tmp_path / "store").startswith("taken by")
    assert list(tmp_path.iterdir()) == []


def test_a_killed_holder_does_not_hold_it(tmp_path):
    with python(HOLD, tmp_path / "store") as process:
        assert process.stdout.readline().startswith("held by")
        with pytest.raises(FileExistsError, match=f"process {process.pid} on"):
            Lock(tmp_path / "store")
        process.kill()
    assert (tmp_path / ".store.lock").exists()
    Lock(tmp_path / "store").close()
    assert list(tmp_path.iterdir()) == []


@PID_SPACES
def test_process_1_of_a_container_goes_on_after_its_own_death(tmp_path, prefix):
    needs(prefix)
    die = "lock = Lock(folder); print(os.getpid(), flush=True); os._exit(9)"
    assert told_by(die, tmp_path / "store", prefix=prefix) == "1"
    assert (tmp_path / ".store.lock").exists()
    assert told_by(TAKE, tmp_path / "store", prefix=prefix) == "taken by 1"


@PID_SPACES
def test_the_lock_holds_in_every_pid_namespace(tmp_path, prefix):
    needs(prefix)
    with Lock(tmp_path / "store"):
        assert "is writing to" in told_by(TAKE, tmp_path / "store", prefix=prefix)
    with python(HOLD, tmp_path / "store", prefix=prefix) as process:
        assert process.stdout.readline() == "held by 1\n"
        with pytest.raises(FileExistsError, match="process 1 on .* is writing to"):
            Lock(tmp_path / "store")
        process.communicate("\n")


@PID_SPACES
def test_a_reader_in_another_pid_namespace_leaves_a_save_alone(tmp_path, prefix):
    needs(prefix)
    read = "restore_interrupted(folder); print(sorted(os.listdir(folder.parent)))"
    with whole_folder(tmp_path / "store", "manifest", "a store") as beside:
        (beside / "manifest").write_text("new")
        assert beside.name in told_by(read, tmp_path / "store", prefix=prefix)
        assert (beside / "manifest").read_text() == "new"
    assert (tmp_path / "store" / "manifest").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


@PID_SPACES
@pytest.mark.parametrize("fatal", [1, 2])
def test_death_in_another_pid_namespace_loses_nothing(tmp_path, prefix, fatal):
    needs(prefix)
    die = f"""
    def write(text):
        with whole_folder(folder, "manifest", "a store") as beside:
            (beside / "manifest").write_text(text)

    def rename(self, target, calls=[]):
        calls.append(target)
        if len(calls) == {fatal}:
            os._exit(9)
        return plain(self, target)

    write("old")
    plain, Path.rename = Path.rename, rename
    write("new")
    """
    assert told_by(die, tmp_path / "store", prefix=prefix) == ""
    assert len(list(tmp_path.iterdir())) == 3
    restore_interrupted(tmp_path / "store")
    assert (tmp_path / "store" / "manifest").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


def test_a_forked_process_does_not_give_back_the_lock_of_its_parent(tmp_path):
    told = told_by(
        """
        lock = Lock(folder)
        if os.fork() == 0:
            lock.close()
            os._exit(0)
        os.wait()
        try:
            Lock(folder)
        except FileExistsError:
            print("still held")
        """,
        tmp_path / "store",
    )
    assert told == "still held"


def test_a_thread_takes_a_lock_again_and_another_does_not(tmp_path):
    refused = []

    def take():
        try:
            with locked(tmp_path / "store"):
                pass
        except FileExistsError as error:
            refused.append(error)

    with locked(tmp_path / "store") as lock, locked(tmp_path / "store") as again:
        assert again is lock
        thread = threading.Thread(target=take)
        thread.start()
        thread.join()
    assert len(refused) == 1
    take()
    assert len(refused) == 1


def test_patience_waits_for_the_holder(tmp_path):
    with python(HOLD, tmp_path / "store") as process:
        process.stdout.readline()
        threading.Timer(0.2, process.communicate, ["\n"]).start()
        with locked(tmp_path / "store", patience=30):
            assert process.wait() == 0


@pytest.mark.parametrize(
    ("change", "by_name", "by_kernel"),
    [
        ({}, False, True),
        ({"pid": 2**22 - 3}, True, True),
        ({"start": 1}, True, True),
        ({"space": "0" * 8, "pid": 2**22 - 3}, False, True),
        ({"boot": "0" * 8}, False, True),
        ({"host": "0" * 8}, False, True),
        ({"host": "0" * 8, "boot": "0" * 8}, False, False),
    ],
)
def test_who_is_certainly_gone(change, by_name, by_kernel):
    owner = replace(Owner.here(), **change)
    assert Owner.parse(str(owner)) == owner
    assert owner.is_gone(holds_lock=False) == by_name
    assert owner.is_gone(holds_lock=True) == by_kernel


def test_a_process_that_is_dead_and_not_yet_reaped_is_gone(tmp_path):
    process = python("print(_owner(), flush=True); input()".replace("_owner()", OWNER), tmp_path)
    owner = Owner.parse(process.stdout.readline().strip())
    assert not owner.is_gone(holds_lock=False)
    process.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert owner.is_gone(holds_lock=False)
    process.communicate()
    assert owner.is_gone(holds_lock=False)


OWNER = "__import__('skdict._files._owners', fromlist=['Owner']).Owner.here()"


@pytest.mark.parametrize("change", [{}, {"space": "0" * 8}, {"host": "0" * 8, "boot": "0" * 8}])
def test_without_locks_of_the_kernel_who_may_run_holds_it(tmp_path, monkeypatch, change):
    monkeypatch.setattr(_locks, "fcntl", None)
    with Lock(tmp_path / "store") as lock:
        assert not lock.by_kernel
        text = lock.path.read_text()
        with pytest.raises(FileExistsError, match="is writing to"):
            Lock(tmp_path / "store")
    here = Owner.here()
    lock.path.write_text(text.replace(str(here), str(replace(here, **change))))
    with pytest.raises(
        FileExistsError, match=r"if it is no longer running, remove .*\.store\.lock"
    ):
        Lock(tmp_path / "store")
    lock.path.write_text(text.replace(str(here), str(replace(here, start=1))))
    Lock(tmp_path / "store").close()
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_lock_is_not_touched(tmp_path):
    (tmp_path / ".store.lock").write_text("a note of somebody's")
    with pytest.raises(FileExistsError, match=r"remove .*\.store\.lock"):
        Lock(tmp_path / "store")
    assert (tmp_path / ".store.lock").read_text() == "a note of somebody's"
    os.mkfifo(tmp_path / ".pipe.lock")
    with pytest.raises(FileExistsError, match="is not a skdict lock file"):
        Lock(tmp_path / "pipe")
