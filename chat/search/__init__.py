"""Full text of a person's messages: `terms` makes texts comparable, `index` writes, `finding`
reads, `filling` brings in what was written before there was an index.
"""
