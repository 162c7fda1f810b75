"""Who may send, and in which transfer syntaxes."""

from collections.abc import Sequence
from ipaddress import IPv6Address, ip_address, ip_network

from pydicom import uid
from pynetdicom.pdu_primitives import A_ASSOCIATE

from node.config import ANY_CALLER, Caller

TRANSFER_SYNTAXES = frozenset(
    (
        uid.ImplicitVRLittleEndian,
        uid.ExplicitVRLittleEndian,
        uid.ExplicitVRBigEndian,
        uid.DeflatedExplicitVRLittleEndian,
        uid.RLELossless,
        uid.JPEGBaseline8Bit,
        uid.JPEGExtended12Bit,
        uid.JPEGLossless,
        uid.JPEGLosslessSV1,
        uid.JPEGLSLossless,
        uid.JPEGLSNearLossless,
        uid.JPEG2000Lossless,
        uid.JPEG2000,
        uid.HTJ2KLossless,
        uid.HTJ2KLosslessRPCL,
        uid.HTJ2K,
    )
)


def is_allowed(allow: Sequence[Caller], ae_title: str, origin: str) -> bool:
    """Whether a caller of this AE title, from this IP address, may send; an empty list admits everybody."""
    address = ip_address(origin)
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return not allow or any(
        known.ae_title in (ANY_CALLER, ae_title)
        and (known.address is None or address in ip_network(known.address, strict=False))
        for known in allow
    )


def leave_what_can_be_decoded(request: A_ASSOCIATE) -> None:
    """Takes the transfer syntaxes out of a request's contexts that nothing here could read later.

    pynetdicom accepts the first that is left: the sender's own preference. A context of which nothing would
    be left keeps its syntaxes, so that a sender of whole studies sees no failure for its video.
    """
    for context in request.presentation_context_definition_list:
        known = [syntax for syntax in context.transfer_syntax if syntax in TRANSFER_SYNTAXES]
        context.transfer_syntax[:] = known or context.transfer_syntax
