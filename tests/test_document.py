"""A document says the same in both of its forms, and text from results stays text."""

import re
import unicodedata
from html.parser import HTMLParser

import pypdf
import pytest
from matplotlib.figure import Figure

from vjepa_lib.errors import ConfigError, DataError
from vjepa_lib.objectives import TERMS
from vjepa_lib.show.document import as_html, as_typst, formulas
from vjepa_lib.show.document.blocks import (
    Bullets,
    Cite,
    Code,
    Document,
    Emphasis,
    Formula,
    Link,
    Math,
    Picture,
    Ref,
    Row,
    Section,
    Source,
    Strong,
    Table,
    paragraph,
    plain,
    words,
)
from vjepa_lib.show.document.numbering import number

NASTY = (
    "<script>alert(1)</script>",
    '"); #panic("x"); ("',
    '#read("/etc/passwd")',
    "\\u{1} ${x}$ `y` *z* _a_ [@tab] @tab <tab>",
    "a\\",
    "$ sum $ // /* */",
    "\0\u202e\n\ttail",
)


class Seen(HTMLParser):
    """Text of a page, its elements and where it leads."""

    def __init__(self, text):
        super().__init__()
        self.text, self.tags, self.ids, self.links = "", [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.tags.append(tag)
        self.ids += [found["id"]] if "id" in found else []
        self.links += [found["href"]] if "href" in found else []

    def handle_data(self, data):
        self.text += data


def made(*blocks, title="A title"):
    source = Source("first", "Somebody. A paper.", "https://arxiv.org/abs/2605.17165")
    return Document(title, "A subtitle", (), (Section("one", "First", blocks),), (source,))


def written(document, folder):
    """The PDF's text, lines joined."""
    path = as_typst.pdf(document, folder)
    text = " ".join(page.extract_text() for page in pypdf.PdfReader(path).pages)
    return re.sub(r"\s+", " ", text)


@pytest.fixture
def picture(tmp_path):
    fig = Figure(figsize=(2, 1))
    fig.subplots().plot([1, 2])
    fig.savefig(tmp_path / "99_curve.svg")
    return Picture("curve", "99_curve", words("A *curve* of {n} points", n=2))


def whole(picture):
    return made(
        paragraph("See [@curve], [@row], [@eq], [@one], [#first]; $x_t$, {n} of {m}.", n=3, m="4"),
        Bullets((words("a **bold** point"), words("`code`"))),
        Formula("eq", TERMS["ld"].formula),
        picture,
        Table(
            "tab",
            ("name", "value"),
            (Row((("first",), ("+1.25",)), "row"), Row((("x",), ("-7",)))),
            words("Numbers of [@one]"),
        ),
    )  # fmt: skip


def test_both_forms_say_the_same(picture, tmp_path):
    document = whole(picture)
    pdf, page = written(document, tmp_path), Seen(as_html.document(document)).text
    for said in ("Figure 1", "Table 1", "Equation 1", "Section 1", "[1]", "3 of 4", "+1.25", "-7"):
        assert said in pdf.replace("[ 1 ]", "[1]") and said in page, said
    assert "a bold point" in pdf and "a bold point" in page
    assert "A title" in pdf and "A subtitle" in pdf


def test_references_lead_to_what_they_name(picture, tmp_path):
    page = Seen(as_html.document(whole(picture)))
    inside = {link[1:] for link in page.links if link.startswith("#")}
    assert inside == {"curve", "row", "eq", "one", "source-first"} and inside <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
    reader = pypdf.PdfReader(as_typst.pdf(whole(picture), tmp_path))
    marks = [a.get_object() for p in reader.pages for a in p.get("/Annots", [])]
    outward = [m["/A"]["/URI"] for m in marks if "/URI" in m.get("/A", {})]
    assert outward == ["https://arxiv.org/abs/2605.17165"] and len(marks) > len(outward) + 5


@pytest.mark.parametrize("nasty", NASTY, ids=range(len(NASTY)))
def test_text_from_results_stays_text(nasty, tmp_path):
    document = made(
        paragraph("Before {x} after", x=nasty),
        paragraph("{x}{y}{z}", x=Strong(nasty), y=Emphasis(nasty), z=Code(nasty)),
        Table("tab", (nasty, "b"), (Row(((nasty,), (nasty,))),), words("{x}", x=nasty)),
        title=nasty,
    )
    page = Seen(as_html.document(document))
    assert "script" not in page.tags and page.text.count(nasty.strip("\0")[:4]) >= 6
    pdf = written(document, tmp_path)
    kept = re.findall(r"[A-Za-z]{3,}", nasty)
    assert all(k in pdf.replace(" ", "") for k in kept if k not in ("etc",)), pdf


def test_inserts_are_counted():
    with pytest.raises(ConfigError, match="no insert 'n'"):
        words("{n}")
    with pytest.raises(ConfigError, match="no place for 'm'"):
        words("text", m=1)
    text = words("a *b* `c` $d$ [@e] [#f] {g}", g=[Strong("h"), "i"])
    assert [type(x) for x in text if not isinstance(x, str)] == [
        Emphasis, Code, Math, Ref, Cite, Strong,
    ]  # fmt: skip
    assert plain(text) == "a b c d e f hi"


def test_a_reference_to_nothing_is_refused():
    for bad in (words("[@nowhere]"), words("[#nobody]")):
        with pytest.raises(ConfigError, match="which is not in it"):
            number(made(Bullets((bad,))))
    with pytest.raises(ConfigError, match="'eq' twice"):
        number(made(Formula("eq", "x"), Formula("eq", "y")))
    with pytest.raises(ConfigError, match="a cell for each column"):
        Table("t", ("a", "b"), (Row((("x",),)),), ())


def test_a_document_leads_to_known_sites_only():
    for url in ("http://arxiv.org/x", "javascript:alert(1)", 'https://arxiv.org/" onload="', ""):
        with pytest.raises(ConfigError, match="does not link"):
            Link("x", url)


@pytest.mark.parametrize("name", sorted(TERMS))
def test_every_objective_is_typeset_in_both_forms(name, tmp_path):
    tree = formulas.mathml(TERMS[name].formula)
    assert tree.startswith("<math") and "merror" not in tree and "\\" not in tree
    pdf = written(made(Formula("eq", TERMS[name].formula)), tmp_path)
    shown = unicodedata.normalize("NFKD", pdf.split("1 First")[1].split("(1)")[0])
    page = unicodedata.normalize("NFKD", Seen(tree).text)
    # Order differs in fractions and where a sign has both an index and an exponent.
    signs = [sorted(ch for ch in text if ch.isalnum()) for text in (shown, page)]
    assert signs[0] == signs[1] and len(signs[0]) > 3


def test_a_formula_that_cannot_be_set_is_one_sentence():
    with pytest.raises(ConfigError, match="not set in the PDF yet"):
        formulas.typst(r"\begin{matrix} a & b \end{matrix}")
    with pytest.raises(ConfigError, match="cannot be typeset"):
        formulas.mathml(r"\left( a")
    with pytest.raises(ConfigError, match=r"unknown .nonsense"):
        formulas.typst(r"x + \nonsense")


def test_a_missing_figure_and_a_folder_in_the_way_are_one_sentence(picture, tmp_path):
    lone = made(Picture("curve", "99_gone", words("gone")))
    with pytest.raises(DataError, match="lacks 99_gone.svg: run notebook 99"):
        as_typst.pdf(lone, tmp_path)
    (tmp_path / "report.pdf").mkdir()
    with pytest.raises(DataError, match="report.pdf cannot be written"):
        as_typst.pdf(whole(picture), tmp_path)
    assert not [p for p in tmp_path.iterdir() if p.suffix == ".part"]


def test_the_same_text_is_the_same_file(picture, tmp_path):
    first = as_typst.pdf(whole(picture), tmp_path).read_bytes()
    assert first == as_typst.pdf(whole(picture), tmp_path).read_bytes()
