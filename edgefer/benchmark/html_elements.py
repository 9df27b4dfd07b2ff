"""Elements of a page as a tree: what is serialised is escaped, whatever a record or a file's name holds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

Child = Element | str
NOT_MEASURED = "\N{EN DASH}"  # in a table


def clean(text: str) -> str:
    """The text with what no page can show, like control characters, written as in Python."""
    return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text)


def element(tag: str, *children: Child, css: str = "", **attributes: str) -> Element:
    """An element; `css` are its classes. Texts are texts, never markup."""
    every = {"class": css, **attributes} if css else attributes
    made = Element(tag, {name: clean(value) for name, value in every.items()})
    last: Element | None = None
    for child in children:
        if isinstance(child, Element):
            made.append(child)
            last = child
        elif last is None:
            made.text = (made.text or "") + clean(child)
        else:
            last.tail = (last.tail or "") + clean(child)
    return made


def missing(why: str) -> Element:
    """A paragraph for what was not measured, and how it would be."""
    return element("p", f"Not measured: {why}", css="missing")


def facts(rows: Iterable[tuple[str, Child]]) -> Element:
    """A table of names and values."""
    body = [element("tr", element("th", name, scope="row"), element("td", value)) for name, value in rows]
    return element("table", element("tbody", *body), css="facts")


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Element:
    """A table that scrolls sideways where it is too wide; all columns but the first hold numbers."""

    def row(tag: str, cells: Sequence[str]) -> Element:
        first, *others = cells
        numbers = [element(tag, cell, css="number") for cell in others]
        return element("tr", element("th", first, scope="row" if tag == "td" else "col"), *numbers)

    body = element("tbody", *[row("td", cells) for cells in rows])
    return element("div", element("table", element("thead", row("th", heads)), body), css="wide")


def of_markdown(text: str) -> Element:
    """Markdown as elements: no HTML in it, no pictures and no links; its headings are a level lower."""
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False, "xhtmlOut": True}).enable("table")
    parser.disable(["image", "link", "autolink", "reference", "html_block", "html_inline"])
    made = ElementTree.fromstring(f"<div>{parser.render(clean(text))}</div>")
    for each in made.iter():
        each.tag = {"h1": "h2", "h2": "h3"}.get(each.tag, each.tag)
    for child in list(made):
        if child.tag == "table":
            place = list(made).index(child)
            made.remove(child)
            made.insert(place, element("div", child, css="wide"))
    return made


def document(title: str, style: str, sections: Iterable[Element]) -> str:
    """The page as one file that fetches nothing and runs nothing."""
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        Element("meta", {"http-equiv": "Content-Security-Policy", "content": policy}),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", title),
        element("style", style),
    )
    root = element("html", head, element("body", *sections), lang="en")
    ElementTree.indent(root)
    for each in root.iter("pre"):  # in which white space is shown
        each.text = each[0].tail = None
    return f"<!doctype html>\n{ElementTree.tostring(root, 'unicode', method='html')}\n"
