"""The pages say what is so: their code runs, every public name is there, links lead somewhere."""

import importlib
import pkgutil
import re
import textwrap
from functools import partial
from pathlib import Path

import distributed
import pytest
from distributed import LocalCluster
from sklearn.utils import Bunch

import skdict
from skdict import (
    SparseDictionaryAutoencoder,
    SparseDictionaryAutoencoderCV,
    SparseTranscoder,
    datasets,
    sparse_dictionary_path,
)

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
BUILT = {
    "_extensions",
    "_build",
    "_templates",
    "generated",
    "auto_examples",
    "sg_execution_times.rst",
}
PAGES = sorted(
    page for page in DOCS.rglob("*.rst") if not BUILT & set(page.relative_to(DOCS).parts)
)
FITS = (  # whose defaults are made smaller, so that a page takes seconds; all else is as printed
    SparseDictionaryAutoencoder.__init__,
    SparseDictionaryAutoencoderCV.__init__,
    SparseTranscoder.__init__,
    sparse_dictionary_path,
)
# An endpoint, what people have written, a model that is not bundled, or the hub.
NEEDS_OTHERS = ("OpenAIClient(", "ratings-", "fetch_smollm2(", "google/gemma-scope", "Butanium/")
BLOCK = re.compile(r"^\.\. code-block:: python\n\n((?:   .*\n|\n)+)", re.MULTILINE)


def name(page):
    return str(page.relative_to(DOCS))


def blocks(page):
    text = page.read_text(encoding="utf-8") + "\n"
    return [textwrap.dedent(block) for block in BLOCK.findall(text)]


@pytest.fixture(scope="module")
def few_stories():
    """The bundled stories, of which pages read the beginnings of a few, so each takes a second."""
    stories = datasets.load_stories()
    texts = [text[:240] for text in stories.texts[:60]]
    return Bunch(**stories | {"texts": texts, "kinds": stories.kinds[:60]})


@pytest.fixture(scope="module")
def used_everywhere(few_stories):
    """Names that pages use without making them again, as the user guide makes them."""
    names = {"stories": few_stories, "texts": few_stories.texts}
    exec(
        """
from sklearn.decomposition import PCA
from skdict import *
from skdict.inspection import *
from skdict.interpretation import *
from skdict.interpretation.llm import *
from skdict.interpretation.ratings import *
from skdict.metrics import *
extractor = ActivationExtractor(stories.model, "resid_post.2")
acts = extractor.fit_transform(texts)
train, test = acts[acts.documents % 2 == 0], acts[acts.documents % 2 == 1]
sae = SparseDictionaryAutoencoder(64, max_iter=2, random_state=0).fit(train)
codes = sae.transform(test)
methods = {"sae": sae, "pca": PCA(16).fit(train)}
""",
        names,
    )
    return names


@pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning",
    "ignore::skdict.exceptions.DeadFeaturesWarning",
)
@pytest.mark.slow  # .ci/run runs these.
@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)], ids=name)
def test_the_code_of_a_page_runs(page, few_stories, used_everywhere, monkeypatch, tmp_path):
    for module in (skdict, datasets):
        monkeypatch.setattr(module, "load_stories", lambda: few_stories)
    for fit in FITS:
        for default, value in {"max_iter": 1, "batch_size": 128}.items():
            monkeypatch.setitem(fit.__kwdefaults__, default, value)
    # A cluster of threads starts at once. Tests marked slow start processes.
    monkeypatch.setattr(distributed, "LocalCluster", partial(LocalCluster, processes=False))
    monkeypatch.chdir(tmp_path)
    names = dict(used_everywhere)
    for number, block in enumerate(blocks(page), 1):
        code = compile(block, f"{name(page)}, block {number}", "exec")
        if not any(word in block for word in NEEDS_OTHERS):
            exec(code, names)


def public_packages():
    """Return the packages and modules of skdict that have public names, but for skdict."""
    found = pkgutil.iter_modules(skdict.__path__)
    modules = [
        importlib.import_module(f"skdict.{module.name}")
        for module in found
        if not module.name.startswith("_")
    ]
    for part in ("llm", "ratings"):
        modules.append(importlib.import_module(f"skdict.interpretation.{part}"))
    return [module for module in modules if getattr(module, "__all__", None)]


def listed(package):
    """Return the names that the API page lists below a package."""
    api = (DOCS / "api.rst").read_text(encoding="utf-8")
    _, *parts = re.split(r"^\.\. currentmodule:: (.*)$", api, flags=re.MULTILINE)
    for home, part in zip(parts[::2], parts[1::2], strict=True):
        if home == package:
            return re.findall(r"^   (\w+)$", part, flags=re.MULTILINE)
    return []


@pytest.mark.parametrize("package", public_packages(), ids=lambda module: module.__name__)
def test_every_public_name_has_its_place(package):
    assert sorted(listed(package.__name__)) == sorted(package.__all__)


@pytest.mark.parametrize("package", public_packages(), ids=lambda module: module.__name__)
def test_every_public_name_is_used_by_a_test_or_an_example(package):
    folders = [Path(__file__).parent, DOCS.parent / "examples"]
    files = [path for folder in folders for path in folder.rglob("*.py") if path != Path(__file__)]
    words = set(re.findall(r"\w+", "\n".join(p.read_text(encoding="utf-8") for p in files)))
    assert set(package.__all__) <= words


def test_names_of_the_top_level_are_said_to_be_there():
    opening = (DOCS / "api.rst").read_text(encoding="utf-8").split("currentmodule")[0]
    assert sorted(re.findall(r"\.(\w+)`", opening)) == sorted(skdict.__all__)


def test_every_page_is_reached():
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    for page in PAGES:
        whole_folder = rf"^   {page.parent.name}/\*$"
        reached = rf"^   (\S*/)?{page.stem}$|{whole_folder}"
        assert page.stem == "index" or re.search(reached, text, re.MULTILINE), name(page)


def targets(role):
    """Return what the pages refer to by a role, each with its page."""
    pattern = re.compile(rf":{role}:`(?:[^`<]*<)?~?([^`>]+)>?`")
    return {(page, t) for page in PAGES for t in pattern.findall(page.read_text(encoding="utf-8"))}


def test_references_to_names_lead_to_what_is_there():
    for role in ("class", "func", "obj", "meth", "mod"):
        for page, target in targets(role):
            assert target.startswith("skdict."), f"{name(page)}: {target}"
            pkgutil.resolve_name(target)


def test_references_to_pages_and_files_lead_to_what_is_there():
    for page, target in targets("doc"):
        base = DOCS if target.startswith("/") else page.parent
        assert (base / f"{target.lstrip('/')}.rst").is_file() or target.startswith(
            ("auto_examples", "/auto_examples", "../auto_examples")
        ), f"{name(page)}: {target}"
    for page, target in targets("ref"):
        if script := re.fullmatch(r"sphx_glr_auto_examples_(.*\.py)", target):
            assert (ROOT / "examples" / script[1]).is_file(), f"{name(page)}: {target}"
    shown = re.compile(
        r"^\.\. (?:image|figure|literalinclude):: (\S+)|^   :file: (\S+)", re.MULTILINE
    )
    for page in PAGES:
        for files in shown.findall(page.read_text(encoding="utf-8")):
            assert (page.parent / "".join(files)).is_file(), f"{name(page)}: {files}"


def test_the_configuration_is_short():
    assert len((DOCS / "conf.py").read_text(encoding="utf-8").splitlines()) <= 100
