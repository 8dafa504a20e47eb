"""Clients for language models, with cache, budget, prompts and reply parsing.

Floor 4: imports `models` and what is below it. Nothing here depends on dictionaries.
"""

from skdict._llm._asking import ask
from skdict._llm._errors import AskingError, BudgetSpentError, ClientError, ReplyError
from skdict._llm._managed_client import ManagedClient, managed
from skdict._llm._openai_client import OpenAIClient
from skdict._llm._prompts import (
    ShownWindow,
    check_vocabulary,
    explain_request,
    judge_request,
    readable_tokens,
    simulate_json_request,
    simulate_request,
    simulate_token_request,
)
from skdict._llm._read_replies import (
    expected_level,
    read_answers,
    read_explanation,
    read_intruder,
    read_levels,
)
from skdict._llm._requests import Completion, Request
from skdict._llm._transformers_client import TransformersClient
