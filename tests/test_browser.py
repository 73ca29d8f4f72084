"""Notebooks, report page and site in a real browser, where there is one.

Needs a Chromium (found on the path, or named in CHROMIUM) and `pip install -e '.[browser]'`.
VJEPA_SCREENSHOTS names a folder that gets a picture of everything that is opened.
"""

import functools
import http.server
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import pytest
from html_pages import broken

from vjepa_lib.show import executed

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
CHROMIUM = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
if CHROMIUM is None:
    pytest.skip("no Chromium: install one, or name it in CHROMIUM", allow_module_level=True)
playwright = pytest.importorskip(
    "playwright.sync_api", reason="no Playwright: pip install -e '.[browser]'"
)

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOK = "03_data_clips_and_masks"  # the one with a widget
WIDTHS = (1280, 390)
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--force-color-profile=srgb",
]  # fmt: skip
# What is wrong with a page, asked of the page itself once everything is there.
FAULTS = """() => {
  const faults = [], root = document.documentElement;
  if (root.scrollWidth > root.clientWidth) {
    const wide = [...document.body.querySelectorAll('*')].filter(
      e => e.getBoundingClientRect().right > root.clientWidth + 1);
    faults.push(`${root.scrollWidth} px wide in ${root.clientWidth}: `
      + wide.slice(0, 3).map(e => e.outerHTML.slice(0, 90)).join(' | '));
  }
  for (const image of document.images)
    if (!image.complete || !image.naturalWidth) faults.push(`missing image ${image.src}`);
  return faults;
}"""
# A cell of the notebook that is open: kind, whether it ran, what came out.
CELLS = """() => [...jupyterapp.shell.currentWidget.content.model.cells].map(cell => ({
  kind: cell.type, source: cell.sharedModel.getSource(), count: cell.executionCount,
  outputs: cell.type === 'code' ? cell.outputs.toJSON() : []}))"""


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def screenshot():
    """(page, name) -> a picture, if a folder for pictures is named."""
    folder = os.environ.get("VJEPA_SCREENSHOTS")

    def keep(page, name, **options):
        if folder:
            page.screenshot(path=Path(folder) / f"{name}.png", **options)

    return keep


def wait_for(address, process, log, seconds=300):
    """Until something answers there, or the process that should has ended."""
    end = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < end:
        try:
            return urllib.request.urlopen(address, timeout=10).close()
        except OSError:
            time.sleep(0.5)
    raise AssertionError(f"nothing answers at {address}:\n{log.read_text()[-3000:]}")


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


# --- pages ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def serve():
    """folder -> its address, served as a web server would."""
    servers = []

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def do_GET(self):
            if self.path == "/favicon.ico":  # which browsers ask for on their own
                self.send_response(204)
                return self.end_headers()
            return super().do_GET()

        def log_message(self, *_):
            pass

    def start(folder):
        handler = functools.partial(Quiet, directory=str(folder))
        servers.append(http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_port}"

    yield start
    for server in servers:
        server.shutdown()


@pytest.fixture(scope="module")
def report_page(tmp_path_factory):
    """The folder of the report page that `make reproduce` left, else of a small one."""
    from vjepa_lib.folders import figures_root

    if (figures_root() / "index.html").exists():
        return figures_root()
    import numpy as np
    import pandas as pd
    from matplotlib.figure import Figure

    from vjepa_lib.show import report
    from vjepa_lib.show.gallery import Gallery

    made = tmp_path_factory.mktemp("report")
    gallery = Gallery(made / "figures", "07_example", "mini", commit="c0ffee" * 6)
    figure = Figure(figsize=(10, 4))
    figure.subplots().plot([1, 2])
    gallery.figure(figure, "curve", pd.DataFrame({"x": [1, 2]}), "A curve", runs=["ab12"])
    wide = pd.DataFrame(np.ones((3, 30)), columns=[f"a column with a name {i}" for i in range(30)])
    gallery.table(wide, "numbers", "Many numbers")
    report.build(made / "figures", made / "runs")
    return made / "figures"


def faults_of(browser, address, paths, width, screenshot, name):
    """What pages show wrong at a width: overflow, images, errors of scripts, failed requests."""
    found = []
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.on("console", lambda m: m.type == "error" and found.append(f"{page.url}: {m.text}"))
    page.on("pageerror", lambda error: found.append(f"{page.url}: {error}"))
    page.on("requestfailed", lambda r: found.append(f"{page.url}: {r.url} failed"))
    page.on(
        "request",
        lambda r: r.url.startswith((address, "data:")) or found.append(f"{page.url}: asks {r.url}"),
    )
    for path in paths:
        page.goto(f"{address}/{path}", wait_until="load", timeout=120_000)
        # Images that wait to be scrolled to are fetched now.
        page.evaluate("document.querySelectorAll('img[loading]').forEach(i => i.loading = 'eager')")
        page.wait_for_function("[...document.images].every(i => i.complete)", timeout=120_000)
        found += [f"{path} at {width}: {fault}" for fault in page.evaluate(FAULTS)]
        screenshot(page, f"{name}-{width}-{Path(path).stem}")
    page.close()
    return found


@pytest.mark.parametrize("width", WIDTHS)
def test_every_page_of_the_site(site, serve, browser, screenshot, width):
    # index.html leads on at once, to the README's page.
    paths = [p.relative_to(site).as_posix() for p in sorted(site.rglob("*.html"))]
    paths.remove("index.html")
    assert len(paths) > 30
    assert not faults_of(browser, serve(site), paths, width, screenshot, "site")


def test_links_of_the_site_lead_somewhere(site):
    assert not broken(site)


def test_search_answers(site, serve, browser, screenshot):
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(f"{serve(site)}/search.html?q=collapse", timeout=120_000)
    page.wait_for_selector("ul.search li a", timeout=120_000)
    found = page.eval_on_selector_all("ul.search li a", "links => links.map(a => a.href)")
    screenshot(page, "search")
    page.close()
    assert any("04_baseline_and_collapse" in address for address in found)


@pytest.mark.parametrize("width", WIDTHS)
def test_the_report_page(report_page, serve, browser, screenshot, width):
    # Served from the folder above, as links to runs lead there.
    address = serve(report_page.parent)
    path = f"{report_page.name}/index.html"
    assert not faults_of(browser, address, [path], width, screenshot, "report")


# --- JupyterLab -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """JupyterLab as `make lab` starts it, on a copy of one notebook; (address, token)."""
    home = tmp_path_factory.mktemp("home")
    work = home / "notebooks"
    work.mkdir()
    for suffix in (".py", ".ipynb"):
        shutil.copy(ROOT / "notebooks" / f"{NOTEBOOK}{suffix}", work)
    own = home / "config" / "labconfig"
    own.mkdir(parents=True)
    # All cells are in the page, not only those on the screen; nothing is asked of the network.
    (own / "default_setting_overrides.json").write_text(
        json.dumps(
            {
                "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"},
                "@jupyterlab/apputils-extension:notification": {
                    "fetchNews": "false",
                    "checkForUpdates": False,
                },
            }
        )
    )
    folders = {
        "HOME": home,
        "JUPYTER_CONFIG_DIR": home / "config",
        "JUPYTER_DATA_DIR": home / "share",
        "JUPYTER_RUNTIME_DIR": home / "runtime",
        "JUPYTERLAB_WORKSPACES_DIR": home / "workspaces",
        "JUPYTER_CONFIG_PATH": ROOT / ".jupyter",
        "IPYTHONDIR": home / "ipython",
        "VJEPA_FIGURES": home / "figures",
        "PYTHONPATH": ROOT,
    }
    # Without the settings that would make a notebook train.
    plain = {k: v for k, v in os.environ.items() if k not in executed.SETTINGS}
    port, token, log = free_port(), "read-me", home / "log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root",
             f"--ServerApp.port={port}", "--ServerApp.port_retries=0",
             f"--IdentityProvider.token={token}", "--LabApp.expose_app_in_browser=True", str(work)],
            env=plain | {k: str(v) for k, v in folders.items()},
            cwd=home, stdout=out, stderr=out,
        )  # fmt: skip
    try:
        wait_for(f"http://127.0.0.1:{port}/api?token={token}", process, log)
        yield f"http://127.0.0.1:{port}", token
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()


@pytest.fixture(scope="module")
def opened(lab, browser):
    """The `.py` half, opened by a double click in the file list; all its cells run."""
    address, token = lab
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(f"{address}/lab?token={token}&reset", timeout=300_000)
    item = page.locator(f".jp-DirListing-item[title*='{NOTEBOOK}.py']")
    item.wait_for(timeout=300_000)
    item.dblclick()
    page.locator(".jp-NotebookPanel").wait_for(timeout=120_000)
    page.evaluate(
        """async () => {
          const panel = jupyterapp.shell.currentWidget;
          await panel.context.ready;
          await panel.sessionContext.ready;
          await jupyterapp.commands.execute('notebook:run-all-cells');
        }"""
    )
    yield page
    page.close()


def test_a_py_file_opens_as_a_notebook_and_no_cell_fails(opened, screenshot):
    opened.wait_for_function(
        f"""() => ({CELLS})().every(c => c.kind !== 'code' || !c.source.trim() || c.count)
          || ({CELLS})().some(c => c.outputs.some(o => o.output_type === 'error'))""",
        timeout=560_000,
    )
    cells = [c for c in opened.evaluate(CELLS) if c["kind"] == "code"]
    failed = [o for c in cells for o in c["outputs"] if o["output_type"] == "error"]
    screenshot(opened, "lab")
    assert not failed and len(cells) > 5
    text = (ROOT / "notebooks" / f"{NOTEBOOK}.py").read_text()
    assert [c["source"] for c in cells if "Scrubber(" in c["source"]][-1] in text


def test_its_figures_are_drawn(opened, screenshot):
    cells = opened.evaluate(CELLS)
    pictures = sum("image/png" in o.get("data", {}) for c in cells for o in c["outputs"])
    opened.wait_for_function(
        "[...document.querySelectorAll('.jp-OutputArea img')].every(i => i.naturalWidth)",
        timeout=120_000,
    )
    drawn = opened.locator(".jp-OutputArea img").count()
    if os.environ.get("VJEPA_SCREENSHOTS"):
        for at, image in enumerate(opened.locator(".jp-OutputArea img").all()):
            image.scroll_into_view_if_needed()
            screenshot(opened, f"lab-figure-{at}")
    assert pictures >= 3 and drawn >= pictures - 1  # the widget has a picture of its own


def test_its_widget_moves(opened, screenshot):
    caption = opened.locator(".jp-OutputArea .widget-label", has_text="time step").last
    caption.wait_for(timeout=120_000)
    caption.scroll_into_view_if_needed()
    before = caption.inner_text()
    opened.locator(".jp-OutputArea .widget-slider .noUi-handle").first.press("ArrowRight")
    opened.wait_for_function(
        "([node, text]) => node.innerText !== text",
        arg=[caption.element_handle(), before],
        timeout=120_000,
    )
    screenshot(opened, "lab-widget")
    assert caption.inner_text().startswith("frame 1,") and before.startswith("frame 0,")
