"""What the tasks over running text share: `text` and `c_code` differ in their data alone.

corpus      text read block by block, anew each time, so that nothing of it is held
encoding    characters in numbers
stream      the numbers in a memory-mapped table, read in streams or in windows
source      files, the hub or what is built in, split by order
ngram       what a model must beat: Kneser–Ney
inputs, head, scoring, generation   the trainable ends, figures, writing
"""
