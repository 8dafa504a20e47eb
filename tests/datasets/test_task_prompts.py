"""Prompts in pairs are pairs in every tokenizer, and their metric is the difference it says."""

from collections import Counter

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer

from skdict.datasets import load_stories, make_agreement, make_ioi, make_pronouns

MAKERS = {
    "ioi": make_ioi,
    "ioi_roles": lambda n, t, **kw: make_ioi(n, t, counterfactual="roles", **kw),
    "pronouns": make_pronouns,
    "pronouns_known": lambda n, t, **kw: make_pronouns(
        n, t, introduce=False, distractor=True, **kw
    ),
    "agreement": make_agreement,
    "agreement_distractor": lambda n, t, **kw: make_agreement(n, t, distractor=True, **kw),
}


@pytest.fixture(scope="module", params=["bytes", "bundled", "stories260K"])
def tokenizer(request):
    if request.param == "bytes":
        return request.getfixturevalue("byte_tokenizer")
    if request.param == "bundled":
        return AutoTokenizer.from_pretrained(load_stories().model)
    folder = request.getfixturevalue("shared_data") / "stories260K"
    return AutoTokenizer.from_pretrained(folder)


@pytest.fixture(scope="module", params=list(MAKERS))
def task(request, tokenizer):
    return MAKERS[request.param](24, tokenizer, random_state=0)


def test_pairs_have_equal_length_and_differ_where_it_says(task, tokenizer):
    assert len(task.prompts) == len(task.counterfactuals) == 24
    for i in range(24):
        prompt, other = task.prompt_ids[i], task.counterfactual_ids[i]
        assert prompt.tolist() == tokenizer(task.prompts[i])["input_ids"]
        assert other.tolist() == tokenizer(task.counterfactuals[i])["input_ids"]
        assert len(prompt) == len(other)
        differ = [j for j in range(len(prompt)) if prompt[j] != other[j]]
        assert differ
        assert task.differing_positions[i].tolist() == differ


def test_answers_follow_their_prompts(task, tokenizer):
    for i in range(24):
        assert task.answers[i][0] != task.answers[i][1]
        for side, answer in enumerate(task.answers[i]):
            row = task.input_ids[2 * i + side][task.attention_mask[2 * i + side] == 1]
            assert row.tolist() == tokenizer(task.prompts[i] + answer)["input_ids"]
            np.testing.assert_array_equal(row[len(task.prompt_ids[i]) :], task.answer_ids[i][side])
            row = task.counterfactual_input_ids[2 * i + side]
            row = row[task.attention_mask[2 * i + side] == 1]
            assert row.tolist() == tokenizer(task.counterfactuals[i] + answer)["input_ids"]


@pytest.mark.parametrize("name", list(MAKERS))
def test_a_seed_gives_the_same_prompts_and_another_seed_others(name, byte_tokenizer):
    one, again, other = (MAKERS[name](8, byte_tokenizer, random_state=seed) for seed in (0, 0, 1))
    assert one.prompts == again.prompts
    assert one.counterfactuals == again.counterfactuals
    assert one.prompts != other.prompts


def test_the_metric_is_the_difference_of_summed_log_probabilities(task):
    rng = np.random.default_rng(0)
    size = int(task.input_ids.max()) + 1
    logits = rng.standard_normal((*task.input_ids.shape, size)).astype(np.float32)
    differences = task.metric(logits)
    for i in (0, 5, 23):
        totals = []
        for side in (0, 1):
            total = 0.0
            for step, token in enumerate(task.answer_ids[i][side]):
                row = logits[2 * i + side, len(task.prompt_ids[i]) - 1 + step].astype(float)
                total += row[token] - np.log(np.exp(row).sum())
            totals.append(total)
        assert differences[i] == pytest.approx(totals[0] - totals[1], abs=1e-4)


def test_the_metric_of_tensors_and_of_parts(byte_tokenizer):
    task = make_ioi(6, byte_tokenizer, random_state=0)
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(*task.input_ids.shape, 260, generator=generator, requires_grad=True)
    whole = task.metric(logits)
    assert isinstance(whole, torch.Tensor)
    np.testing.assert_allclose(whole.detach(), task.metric(logits.detach().numpy()), rtol=1e-4)
    part = task.metric(logits[[4, 5, 2, 3]], pairs=[2, 1])
    torch.testing.assert_close(part, whole[[2, 1]])
    whole.sum().backward()
    assert torch.isfinite(logits.grad).all()
    assert logits.grad.abs().sum() > 0


def test_the_metric_refuses_logits_of_other_prompts(byte_tokenizer):
    task = make_agreement(3, byte_tokenizer, random_state=0)
    n, length = task.input_ids.shape
    for shape in ((n - 1, length, 260), (n, length - 3, 260), (n, 260)):
        with pytest.raises(ValueError, match=r"logits of shape .* two whole rows"):
            task.metric(np.zeros(shape, dtype=np.float32))


def test_ioi_prompts_are_the_papers_pairs(tokenizer):
    task = make_ioi(40, tokenizer, random_state=0)
    for i, (right, wrong) in enumerate(task.answers):
        prompt, other = f"{task.prompts[i]} ", f"{task.counterfactuals[i]} "
        third = task.counterfactual_answers[i]
        counts = [
            Counter({n: _mentions(text, n) for n in (right, wrong, third)})
            for text in (prompt, other)
        ]
        assert counts[0] == {right: 1, wrong: 2, third: 0}
        assert counts[1] == {right: 0, wrong: 2, third: 1}
        assert other == prompt.replace(right.strip(), third.strip())
        first = prompt.index(right) < prompt.index(wrong)
        assert task.orders[i] == ("ABBA" if first else "BABA")
    assert (task.orders == "ABBA").sum() == 20
    assert len(set(task.templates)) >= 8


def test_ioi_roles_change_places(tokenizer):
    task = make_ioi(20, tokenizer, counterfactual="roles", order="BABA", random_state=0)
    assert set(task.orders) == {"BABA"}
    for i, (right, wrong) in enumerate(task.answers):
        assert task.counterfactual_answers[i] == wrong
        assert _mentions(task.prompts[i], right) == _mentions(task.counterfactuals[i], wrong) == 1
        assert _mentions(task.prompts[i], wrong) == _mentions(task.counterfactuals[i], right) == 2
        # The first clause, with its order, stays.
        start = task.prompts[i].rindex(wrong)
        assert task.counterfactuals[i][:start] == task.prompts[i][:start]


def _mentions(text, name):
    return sum(word.strip(".,") == name.strip() for word in text.split())


def test_pronouns_and_agreement_are_even(tokenizer):
    pronouns = make_pronouns(24, tokenizer, random_state=0)
    assert Counter(pronouns.genders) == {"girl": 12, "boy": 12}
    assert set(pronouns.cases) == {"subject", "possessive"}
    for gender, (right, wrong) in zip(pronouns.genders, pronouns.answers, strict=True):
        assert (right in (" she", " her")) == (gender == "girl")
        assert {right, wrong} in ({" she", " he"}, {" her", " his"})
    agreement = make_agreement(24, tokenizer, random_state=0)
    assert Counter(agreement.numbers) == {"singular": 12, "plural": 12}
    for number, (right, _) in zip(agreement.numbers, agreement.answers, strict=True):
        assert right == (" were" if number == "plural" else " was")


def test_distractors_stand_in_between(byte_tokenizer):
    plain, longer = (
        make_agreement(12, byte_tokenizer, distractor=d, random_state=0) for d in (False, True)
    )
    for i in range(12):
        last = longer.prompts[i].split()[-1]
        # The last noun has the other number, so that nearness answers wrongly.
        assert last.endswith("s") == (longer.numbers[i] == "singular")
        assert plain.prompts[i].split()[-1].endswith("s") == (plain.numbers[i] == "plural")
    pronouns = make_pronouns(12, byte_tokenizer, distractor=True, random_state=0)
    assert all(prompt.count(",") >= 2 for prompt in pronouns.prompts)


def test_names_of_ones_own(byte_tokenizer):
    task = make_ioi(9, byte_tokenizer, names=["Bo", "Al", "Ed", "Penelope"], random_state=0)
    used = {word.strip() for pair in task.answers for word in pair}
    assert used == {"Bo", "Al", "Ed"}
    with pytest.raises(ValueError, match="no three names of equal token length"):
        make_ioi(2, byte_tokenizer, names=["Bo", "Al", "Penelope"])


@pytest.mark.parametrize("maker", [make_ioi, make_pronouns, make_agreement])
def test_bad_parameters(maker, byte_tokenizer):
    with pytest.raises(ValueError, match="n_prompts=0"):
        maker(0, byte_tokenizer)
    with pytest.raises(TypeError, match="tokenizer='gpt2' is not accepted: pass a loaded"):
        maker(3, "gpt2")

    def closing(text):
        return {"input_ids": [*text.encode(), 0]}

    with pytest.raises(ValueError, match="adds no token at the end"):
        maker(3, closing)


def test_bad_choices(byte_tokenizer):
    with pytest.raises(ValueError, match="order='ABC'"):
        make_ioi(3, byte_tokenizer, order="ABC")
    with pytest.raises(ValueError, match="counterfactual='ABC'"):
        make_ioi(3, byte_tokenizer, counterfactual="ABC")
    with pytest.raises(TypeError, match="introduce=1"):
        make_pronouns(3, byte_tokenizer, introduce=1)
    with pytest.raises(TypeError, match="distractor=1"):
        make_agreement(3, byte_tokenizer, distractor=1)
