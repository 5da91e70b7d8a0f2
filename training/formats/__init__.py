"""From an uploaded file to records a trainer accepts. Knows neither Django's ORM nor a request.

    file -> source (UTF-8 chunks) -> reading (one item per record) -> layouts (one per format)

What is wrong with one record is a `Problem`; what is wrong with the file is a `Refusal`. Both are
codes with parameters: the edges turn them into sentences.
"""
