"""Tables: what the summary and the files say, as rows, records and words that pages and charts show."""
