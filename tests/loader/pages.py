"""Pages of listings, as the tests have them answered in place of the bucket."""

from __future__ import annotations

from urllib.parse import quote

from exports import CHANGES


def listing(*etags, more=False):
    """A page of a listing: deltas of 1 November, 2 November …, by their ETag elements."""
    items = "".join(
        f"<Contents><Key>{CHANGES}2026-11-0{n}.json</Key><LastModified>2026-11-01T00:00:00.000Z</LastModified>{etag}</Contents>"
        for n, etag in enumerate(etags, 1)
    )
    follows = f"<IsTruncated>{str(more).lower()}</IsTruncated>"
    follows += "<NextContinuationToken>next</NextContinuationToken>" * more
    return 200, f"<ListBucketResult>{follows}{items}</ListBucketResult>".encode()


def odd_listing(*names):
    """A page of a listing with deltas of these names, which XML itself could not hold."""
    page = listing(*["<ETag>x</ETag>"] * len(names))[1]
    page = page.replace(b"<IsTruncated>", b"<EncodingType>url</EncodingType><IsTruncated>")
    for n, name in enumerate(names, 1):
        page = page.replace(b"2026-11-0%d.json" % n, quote(f"{name}.json").encode())
    return 200, page
