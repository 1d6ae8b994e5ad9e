"""Elements of a page: built as a tree, so that no text can ever become markup."""

from collections.abc import Iterable, Sequence
from xml.etree import ElementTree

Element = ElementTree.Element
Child = Element | str


def element(tag: str, *children: Child, **attributes: object) -> Element:
    """An element with its children; `class_` is the attribute class, `data_film` is data-film, None leaves one out."""
    told = {name.rstrip("_").replace("_", "-"): str(value) for name, value in attributes.items() if value is not None}
    made = Element(tag, told)
    for child in children:
        if isinstance(child, Element):
            made.append(child)
        elif len(made):
            made[-1].tail = (made[-1].tail or "") + child
        else:
            made.text = (made.text or "") + child
    return made


def table(caption: str, columns: Sequence[str], rows: Iterable[Sequence[Child]], class_: str | None = None) -> Element:
    """A table whose first column names its rows; where it is too wide it scrolls by itself, by keyboard too."""
    head = element("tr", *(element("th", column, scope="col") for column in columns))
    body = [element("tr", element("th", row[0], scope="row"), *(element("td", cell) for cell in row[1:])) for row in rows]
    made = element("table", element("caption", caption), element("thead", head), element("tbody", *body), class_=class_)
    return element("div", made, class_="scroll", tabindex=0, role="region", aria_label=caption)


def html(*elements: Element) -> str:
    """Elements as HTML, everything in them escaped."""
    return "\n".join(ElementTree.tostring(made, encoding="unicode", method="html") for made in elements)
