"""A document as data: blocks of text, formulas, figures and tables, written by two back ends.

`blocks` is the model, `numbering` gives numbers and resolves references, `formulas` typesets;
`as_html` and `as_typst` write the same text as parts of a page and as a PDF.
"""
