"""Axes, a colour-blind-safe palette and text escaping, shared by all displays."""

# Palette of Okabe and Ito (2008), without yellow, which is too faint on white.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
GREY = "#9A9A9A"
MARKERS = ("o", "s", "^", "D", "v", "P", "X")


def axes_of(ax, name):
    """Return the axes to plot on, creating a figure if `ax` is None.

    Raises
    ------
    ImportError
        If matplotlib is missing.
    """
    plt = pyplot(name)
    return plt.subplots(layout="constrained")[1] if ax is None else ax


def pyplot(name):
    """Return `matplotlib.pyplot`, or raise ImportError naming the extra to install."""
    try:
        import matplotlib.pyplot as plt
    except ImportError:
        raise ImportError(
            f'{name}.plot requires matplotlib; install it with: pip install "skdict[plot]"'
        ) from None
    return plt


def styles(n):
    """Return `n` (colour, marker) pairs, which are distinct for up to 49."""
    k = len(COLORS)
    return [(COLORS[i % k], MARKERS[(i + i // k) % k]) for i in range(n)]


def as_label(token):
    """Return a token in quotes, escaped so that matplotlib does not parse it as mathematics."""
    return repr(token).replace("$", r"\$")


def plain(text):
    """Return text escaped so that matplotlib shows it literally, in legends too."""
    text = str(text).replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text
