"""The theft: folders of stolen files made of synthetic people, with a hidden truth, and the score.

    truth = make_theft(region, people, out, seed=7, megabytes=50, family="first")
    score = score_review(out, answer)

Invariants:
- Nothing here imports the engine that reads such folders (`tourniquet.breach`), nor it this: the
  maker's idea of a header must not leak into the reader's.
- The second family of shapes is held out: who works on the engine does not read `second`.
"""
