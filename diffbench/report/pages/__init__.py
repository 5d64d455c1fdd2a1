"""Pages: each module writes one, from tables and charts, through `page.write_page`."""
