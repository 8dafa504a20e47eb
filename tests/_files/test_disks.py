"""Full and read-only file systems: the first error is told, and what was there stays."""

from textwrap import dedent

from tests._files.processes import NEW_MOUNTS, needs, told_by

WRITE = """
def write(text):
    try:
        with whole_folder(folder / "store", "manifest", "a store") as beside:
            (beside / "manifest").write_text(text)
        replace_file(folder / "page.html", text.encode())
    except OSError as error:
        print(type(error).__name__, error)
"""
MOUNT = """
import subprocess
def mount(*options):
    subprocess.run(["mount", *options], check=True)
mount("-t", "tmpfs", "-o", "size=256k", "none", str(folder))
"""


def test_a_full_disk_keeps_what_was_there(tmp_path):
    needs(NEW_MOUNTS)
    check = """
    write("old")
    write("new" * 200_000)
    print(sorted(os.listdir(folder)), (folder / "store" / "manifest").read_text())
    write("newer")
    print((folder / "store" / "manifest").read_text(), (folder / "page.html").read_text())
    """
    told = _run(check, tmp_path)
    assert told[0].startswith(f"OSError '{tmp_path}/store' could not be written")
    assert "No space left" in told[0]
    assert told[1:] == ["['page.html', 'store'] old", "newer newer"]


def test_on_a_read_only_disk_the_first_error_stands_and_reading_works(tmp_path):
    needs(NEW_MOUNTS)
    check = """
    write("old")
    os.mkdir(name_beside(folder / "store", "part"))
    (folder / ".store.lock").touch()
    mount("-o", "remount,ro", str(folder))
    restore_interrupted(folder / "store")
    print((folder / "store" / "manifest").read_text())
    write("new")
    try:
        replace_file(folder / "page.html", b"new")
    except OSError as error:
        print(error)
    """
    told = _run(check, tmp_path)
    assert told[0] == "old"
    for line, name in zip(told[1:], ("store", "page.html"), strict=True):
        assert f"'{tmp_path}/{name}' could not be written ([Errno 30] Read-only file" in line
        assert "existing files are left unchanged" in line


def _run(check, folder):
    return told_by(WRITE + MOUNT + dedent(check), folder, prefix=NEW_MOUNTS).split("\n")
