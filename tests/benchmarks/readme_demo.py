"""Make the picture and the table of the README: the demo on SmolLM2-135M-Instruct.

Needs chromium with chromedriver, and plain texts with blank lines between them.

Run: python -m tests.benchmarks.readme_demo wikitext2-valid.txt --out FOLDER [--feature N]

A finished demo in FOLDER is used again. The picture goes to docs/_static/report.png, the table to
standard output.
"""

import argparse
import io
import json
import tempfile
from pathlib import Path

from PIL import Image

from skdict.__main__ import main
from tests.inspection.report.browser import open_browser, settled

PICTURE = Path(__file__).parents[2] / "docs" / "_static" / "report.png"
WIDTH, HEIGHT = 1280, 860


def demo_results(texts, out):
    """Return the results of the demo, running it unless the folder has them."""
    path = out / "results.json"
    if not path.is_file() and main(
        ["demo", "--model", "smollm2", "--texts", str(texts), "--out", str(out)]
    ):
        raise SystemExit(1)
    return json.loads(path.read_text("utf-8"))


def take_picture(report, feature):
    """Write a picture of the report with the sheet of a feature open."""
    with tempfile.TemporaryDirectory() as profile:
        # The window of a headless browser is taller than the page that it shows.
        driver = open_browser(profile, width=WIDTH, height=HEIGHT)
        try:
            size = {"width": WIDTH, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": False}
            driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
            driver.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})
            driver.get(f"{report.resolve().as_uri()}#f{feature}")
            settled(driver)
            line = f"document.getElementById('row-{feature}')"
            driver.execute_script(f"{line}?.scrollIntoView({{block: 'nearest'}})")
            settled(driver)
            content = driver.get_screenshot_as_png()
        finally:
            driver.quit()
    Image.open(io.BytesIO(content)).convert("RGB").quantize(256).save(PICTURE, optimize=True)


def table(results):
    """Return the table of the README in Markdown."""
    lines = [
        "| method | features | fraction of variance unexplained | explanation score (correlation) "
        "| shuffled-explanation control |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {record['dictionary']} | {record['n_components']:,} | {record['fvu']:.3f} "
        # Adding zero turns -0.0 into 0.0.
        f"| {record['score']:.2f} | {round(record['control'], 2) + 0:.2f} |"
        for record in results["comparison_at_n_active"]
    ]
    return "\n".join(lines)


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("texts", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="folder for the demo's results")
    parser.add_argument(
        "--feature", type=int, help="feature to open (default: the best explained of those printed)"
    )
    return parser.parse_args()


def run():
    args = parse()
    results = demo_results(args.texts, args.out)
    feature = args.feature
    if feature is None:
        feature = max(results["features"], key=lambda record: record["score"])["feature"]
    take_picture(args.out / "report.html", feature)
    texts = results["texts"]
    print(
        f"\n{PICTURE}: feature {feature}\n\n{texts['n_tokens_read']:,} tokens of "
        f"{texts['n_texts']:,} texts, {results['hook_point']}, {results['seconds']:.0f} s; the "
        f"{results['n_active']} strongest codes of each row:\n\n{table(results)}"
    )


if __name__ == "__main__":
    run()
