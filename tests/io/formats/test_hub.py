"""Dictionaries on the hub: only the files needed are downloaded, and the cache is used offline."""

from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import numpy as np
import pytest
from huggingface_hub.errors import (
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
)
from huggingface_hub.hf_api import RepoFile, RepoFolder

from skdict.io import load_dictionary
from tests.io.formats.layouts import circuit_tracer, gemma_scope, llama_scope, sparsify

REPOSITORY = "owner/some-saes"


class MissingError(RepositoryNotFoundError):
    """Error of the hub without the response that it comes with."""

    def __init__(self, message):
        Exception.__init__(self, message)


class Hub:
    """Repository in a folder, in place of the hub.

    Parameters
    ----------
    root : Path
        Files of the repository.
    """

    def __init__(self, root):
        self.root, self.downloaded, self.online = root, [], True

    def repo_info(self, repository, *, revision=None):
        self._check(repository)
        return SimpleNamespace(sha=f"commit of {revision}")

    def list_repo_tree(self, repository, path, *, revision):
        assert revision.startswith("commit of ")
        for entry in sorted((self.root / (path or "")).iterdir()):
            inside = entry.relative_to(self.root).as_posix()
            if entry.is_dir():
                yield RepoFolder(path=inside, oid="")
            else:
                yield RepoFile(path=inside, size=1, oid="")

    def hf_hub_download(self, repository, name, *, revision):
        assert revision.startswith("commit of ")
        if not (self.root / name).is_file():
            raise LocalEntryNotFoundError(f"no {name}")
        self.downloaded.append(name)
        return str(self.root / name)

    def snapshot_download(self, repository, *, revision, local_files_only):
        assert local_files_only
        if repository != REPOSITORY:
            raise LocalEntryNotFoundError("not in the cache")
        return str(self.root)

    def _check(self, repository):
        if not self.online:
            raise OfflineModeIsEnabled("no connection")
        if repository != REPOSITORY:
            raise MissingError("404: no such repository")


@pytest.fixture
def hub(tmp_path, monkeypatch):
    hub = Hub(tmp_path / "hub")
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: hub)
    for name in ("hf_hub_download", "snapshot_download"):
        monkeypatch.setattr(huggingface_hub, name, getattr(hub, name))
    return hub


def saved(layout):
    layout.save(layout.tensors)
    return layout


@pytest.mark.parametrize("online", [True, False])
def test_only_the_files_needed_are_read(hub, online):
    layout = saved(gemma_scope(hub.root, np.float32))
    (layout.path / "README.md").write_text("text")
    (layout.path.parent / "average_l0_5").mkdir()
    hub.online = online
    subfolder = str(layout.path.relative_to(hub.root))
    dictionary = load_dictionary(REPOSITORY, subfolder=subfolder, revision="main")
    assert dictionary.metadata_["hook_point"] == "resid_post.9"
    assert set(hub.downloaded) == ({f"{subfolder}/params.npz"} if online else set())


def test_weights_in_a_subfolder_and_settings_above_are_found(hub):
    saved(llama_scope(hub.root / "L9R-8x", np.float32))
    assert load_dictionary(REPOSITORY, subfolder="L9R-8x").metadata_["hook_point"] == "mlp_out.9"
    layout = saved(sparsify(hub.root, np.float32))
    subfolder = str(layout.path.relative_to(hub.root))
    stated = load_dictionary(REPOSITORY, subfolder=subfolder).metadata_
    assert stated["model"] == "HuggingFaceTB/SmolLM2-135M"
    assert "run/config.json" in hub.downloaded


def test_a_file_of_a_set_is_named_as_subfolder(hub):
    layout = saved(circuit_tracer(hub.root, np.float32))
    other = hub.root / "layer_10.safetensors"
    other.write_bytes((layout.path / "layer_9.safetensors").read_bytes())
    with pytest.raises(ValueError, match=f"'{REPOSITORY}' holds 2 dictionaries: layer_9.*layer_10"):
        load_dictionary(REPOSITORY)
    transcoder = load_dictionary(REPOSITORY, subfolder="layer_10.safetensors")
    assert transcoder.metadata_["hook_point"] == "mlp_in.10"
    assert "layer_9.safetensors" not in hub.downloaded


def test_what_is_missing_is_explained(hub):
    saved(gemma_scope(hub.root, np.float32))
    match = f"'{REPOSITORY}' on the hub contains no files, but the folders 'gemma-scope-2b-pt-res'"
    with pytest.raises(FileNotFoundError, match=match):
        load_dictionary(REPOSITORY)
    with pytest.raises(
        FileNotFoundError, match="nor available on the hub .404: no such repository"
    ):
        load_dictionary("owner/nothing")
    hub.online = False
    with pytest.raises(FileNotFoundError, match="no connection; it is not in the cache"):
        load_dictionary("owner/nothing")
    with pytest.raises(
        FileNotFoundError, match="it is not in the cache, and there is no connection"
    ):
        load_dictionary(REPOSITORY, subfolder="nothing")


def test_folders_come_before_names_on_the_hub(hub, monkeypatch, tmp_path):
    layout = saved(gemma_scope(tmp_path / "owner" / "local", np.float32))
    monkeypatch.chdir(tmp_path)
    inside = str(layout.path.relative_to(tmp_path / "owner" / "local"))
    assert load_dictionary("owner/local", subfolder=inside).metadata_["l0"] == 73
    with pytest.raises(FileNotFoundError, match="does not exist; pass a folder or file"):
        load_dictionary("owner/local", subfolder="nothing")
    with pytest.raises(FileNotFoundError, match="does not exist"):
        load_dictionary(Path("owner/some-saes"))
