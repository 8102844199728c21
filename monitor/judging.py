"""Tagged articles -> what a classifier says of them. Stores nothing."""

from __future__ import annotations

from collections.abc import Sequence

from monitor import metrics
from monitor.classifier.protocol import Classifier
from monitor.types import Classified, Passage, TaggedArticle


def judged(tagged: Sequence[TaggedArticle], classifier: Classifier) -> list[Classified]:
    """In the order given; each text is asked about with the companies that it names, as it spells them."""
    passages = [Passage(one.article.text, tuple(mention.surface for mention in one.mentions)) for one in tagged]
    # One text is read once: of real tweets more than a quarter are the very words of others in their batch.
    distinct = list(dict.fromkeys(passages))
    if not distinct:
        return []
    with metrics.BATCH_SECONDS.labels("classify").time():
        judgements = dict(zip(distinct, classifier.classify(distinct), strict=True))
    metrics.CLASSIFIED.labels(classifier.version).inc(len(distinct))
    return [
        Classified(one, judgements[passage], classifier.version) for one, passage in zip(tagged, passages, strict=True)
    ]
