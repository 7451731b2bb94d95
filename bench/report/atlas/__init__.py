"""The atlas for people: one picture, a sentence per claim, and tables, as Markdown and as a page of its own."""
