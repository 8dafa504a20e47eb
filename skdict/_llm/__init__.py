"""Language models as clients: requests, replies, cache and budget, knowing nothing of features."""

from skdict._llm._asking import ask as ask
from skdict._llm._asking import check_parts as check_parts
from skdict._llm._managed_client import ManagedClient as ManagedClient
from skdict._llm._managed_client import managed as managed
from skdict._llm._openai_client import OpenAIClient as OpenAIClient
from skdict._llm._prompts import ShownWindow as ShownWindow
from skdict._llm._prompts import check_vocabulary as check_vocabulary
from skdict._llm._prompts import explain_request as explain_request
from skdict._llm._prompts import judge_request as judge_request
from skdict._llm._prompts import quantize as quantize
from skdict._llm._prompts import readable_tokens as readable_tokens
from skdict._llm._prompts import simulate_json_request as simulate_json_request
from skdict._llm._prompts import simulate_request as simulate_request
from skdict._llm._prompts import simulate_token_request as simulate_token_request
from skdict._llm._replies import expected_level as expected_level
from skdict._llm._replies import read_answers as read_answers
from skdict._llm._replies import read_explanation as read_explanation
from skdict._llm._replies import read_intruder as read_intruder
from skdict._llm._replies import read_levels as read_levels
from skdict._llm._requests import ClientError as ClientError
from skdict._llm._requests import Completion as Completion
from skdict._llm._requests import Failure as Failure
from skdict._llm._requests import ReplyError as ReplyError
from skdict._llm._requests import Request as Request
from skdict._llm._transformers_client import TransformersClient as TransformersClient
