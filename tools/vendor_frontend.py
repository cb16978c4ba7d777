"""Fetch nhsuk-frontend with npm, strip it, and write it with a manifest of hashes.

    python tools/vendor_frontend.py

Invariants:
- What is kept: the compiled CSS and JS, four generic icons that the CSS names, the licence.
- What is stripped: the Frutiger font faces (a licensed font on another host), every image with
  the NHS logo, source maps. The font stack becomes Arial and what the system has.
- Nothing that is kept names another host; `tests/repo/test_vendored.py` holds it.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

PACKAGE = "nhsuk-frontend"
VERSION = "10.6.1"  # the version that nhsuk-frontend-jinja 0.10 was made for
LICENCE = "MIT"
VENDOR = Path(__file__).parent.parent / "src" / "tourniquet" / "web" / "static" / "vendor"
FONTS = 'arial,"Helvetica Neue",helvetica,"Liberation Sans",sans-serif'
ICON_PREFIX = "/assets/images/"
STRIPPED = [
    "@font-face rules of Frutiger W01 (a licensed font, loaded from another host)",
    "Frutiger W01 in font-family, replaced by Arial and system fonts",
    "favicon, touch icons, mask icon and Open Graph image (the NHS logo is a trade mark)",
    "addresses of icons made relative to the style sheet",
    "source map references",
]
LICENCE_TEXT = """\
nhsuk-frontend

MIT License

Copyright (c) 2019 NHS.UK

Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
SOFTWARE.
"""


def strip_css(css: str) -> str:
    """The style sheet without fonts of another host, with icons beside it."""
    css = re.sub(r"@font-face\s*\{[^}]*\}", "", css)
    css = re.sub(r"Frutiger W01\s*,\s*arial\s*,\s*sans-serif", FONTS, css)
    css = css.replace(ICON_PREFIX, "images/")
    return _without_source_map(css)


def icons_of(css: str) -> list[str]:
    """The names of the images that a stripped style sheet asks for."""
    return sorted(set(re.findall(r"url\(images/([A-Za-z0-9-]+\.svg)\)", css)))


def _without_source_map(text: str) -> str:
    text = re.sub(r"/\*#\s*sourceMappingURL=[^*]*\*/", "", text)
    return re.sub(r"//#\s*sourceMappingURL=\S+", "", text).rstrip() + "\n"


def fetch(folder: Path) -> Path:
    """Fetch the package with npm and unpack it; the folder of its compiled files."""
    npm = shutil.which("npm")
    if npm is None:
        sys.exit("npm is needed to fetch the package. Install Node.js and run this again.")
    subprocess.run(
        [npm, "pack", "--silent", f"{PACKAGE}@{VERSION}"], cwd=folder, check=True, timeout=300
    )
    archive = next(folder.glob("*.tgz"))
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    return folder / "package" / "dist" / "nhsuk"


def write(source: Path, target: Path) -> None:
    """Write what is kept, stripped, into an empty folder."""
    if target.exists():
        shutil.rmtree(target)
    (target / "images").mkdir(parents=True)
    css = strip_css((source / "nhsuk-frontend.min.css").read_text("utf-8"))
    (target / "nhsuk-frontend.min.css").write_text(css, "utf-8")
    script = _without_source_map((source / "nhsuk-frontend.min.js").read_text("utf-8"))
    (target / "nhsuk-frontend.min.js").write_text(script, "utf-8")
    for icon in icons_of(css):
        shutil.copyfile(source / "assets" / "images" / icon, target / "images" / icon)
    (target / "LICENCE.txt").write_text(LICENCE_TEXT, "utf-8")


def manifest(target: Path) -> dict[str, object]:
    """One entry for each vendored file, with its hash and where it is from."""
    files = [path for path in sorted(target.rglob("*")) if path.is_file()]
    return {
        "made_by": "tools/vendor_frontend.py",
        "packages": [
            {"name": PACKAGE, "version": VERSION, "licence": LICENCE, "stripped": STRIPPED}
        ],
        "files": [
            {
                "file": path.relative_to(VENDOR).as_posix(),
                "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
                "package": PACKAGE,
                "version": VERSION,
                "licence": LICENCE,
            }
            for path in files
        ],
    }


def main() -> None:
    """Fetch, strip, write, and say nothing but the number of files."""
    target = VENDOR / f"{PACKAGE}-{VERSION}"
    with tempfile.TemporaryDirectory() as folder:
        write(fetch(Path(folder)), target)
    content = json.dumps(manifest(target), indent=2) + "\n"
    (VENDOR / "manifest.json").write_text(content, "utf-8")
    count = sum(1 for path in target.rglob("*") if path.is_file())
    sys.stdout.write(f"{target.name}: {count} files\n")


if __name__ == "__main__":
    main()
