"""Windows of text with the codes of features: which ones are drawn, and how.

Floor 5, as all of `inspection`. The rest of `inspection` and `interpretation` draw windows here.
"""

from skdict.inspection.evidence._collect_records import collect_records
from skdict.inspection.evidence._documents import (
    document_bounds,
    document_order,
    in_document_order,
    iter_coded_documents,
    iter_documents,
)
from skdict.inspection.evidence._drawn_codes import FeatureDraw, join_blocks
from skdict.inspection.evidence._quantile_windows import N_QUANTILES
from skdict.inspection.evidence._records import FeatureRecords, Record, RecordCollector
from skdict.inspection.evidence._sampled_windows import sampled_windows, windows_of
from skdict.inspection.evidence._silent_windows import hardest, windows_and_prevalence
from skdict.inspection.evidence._split_documents import split_documents
from skdict.inspection.evidence._streams import Stream, mix, uniform
from skdict.inspection.evidence._study_parts import (
    DocumentParts,
    fragments_to_test,
    split_fragments,
    split_quantiles,
)
from skdict.inspection.evidence._token_blocks import TokenBlock
