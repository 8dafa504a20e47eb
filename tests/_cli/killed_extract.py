"""`skdict extract` whose second process dies after its first block."""

import os
import sys

from skdict.__main__ import main
from skdict._cli._extracted_blocks import ExtractedBlocks

plain = ExtractedBlocks.read


def read(self, *arguments):
    """Read a block; the second process then ends without a word."""
    plain(self, *arguments)
    if os.environ["RANK"] == "1":
        os._exit(9)


if __name__ == "__main__":
    ExtractedBlocks.read = read
    sys.exit(main(sys.argv[1:]))
