"""Tagged articles -> what a classifier says of them. Stores nothing."""

from __future__ import annotations

from collections.abc import Sequence

from monitor import metrics
from monitor.classifier.protocol import Classifier
from monitor.types import Classified, Passage, TaggedArticle


def judged(tagged: Sequence[TaggedArticle], classifier: Classifier) -> list[Classified]:
    """In the order given; each text is asked about with the companies that it names, as it spells them."""
    passages = [Passage(one.article.text, tuple(mention.surface for mention in one.mentions)) for one in tagged]
    if not passages:
        return []
    with metrics.BATCH_SECONDS.labels("classify").time():
        judgements = classifier.classify(passages)
    metrics.CLASSIFIED.labels(classifier.version).inc(len(passages))
    return [Classified(one, judgement, classifier.version) for one, judgement in zip(tagged, judgements, strict=True)]
