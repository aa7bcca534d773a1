"""A message sent by e-mail: plain text, one recipient list, TLS verified, nothing of the data in a header unfolded."""

from __future__ import annotations

import smtplib
import ssl
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from cauce.alert.message import Message, clean
from cauce.alert.undelivered import Undelivered
from cauce.alert.webhook import ending
from cauce.core.alert_specs import MailSpec

PORTS = {"starttls": 587, "tls": 465, "none": 25}


def letter(spec: MailSpec, message: Message) -> EmailMessage:
    """Return the e-mail of a message; the same message has the same Message-ID, so that a repeated one is seen as one.

    Headers hold one line each: the subject's control characters are gone, and the library refuses the rest.
    """
    made = EmailMessage(policy=SMTP)
    made["From"] = Address(addr_spec=spec.sender)
    made["To"] = [Address(addr_spec=one) for one in spec.to]
    made["Subject"] = clean(message.title, 200)
    made["Date"] = format_datetime(message.at)
    made["Message-ID"] = f"<{message.id}@{spec.sender.rpartition('@')[2]}>"
    made["Auto-Submitted"] = "auto-generated"
    made.set_content(message.body)
    made["Content-Language"] = message.language
    return made


def send(spec: MailSpec, password: str | None, message: Message, *, timeout_s: float) -> None:
    """Hand a message to the mail server.

    Raises
    ------
    Undelivered
        It cannot be reached or verified in `timeout_s`, does not let the account in, or refuses somebody.
    """
    try:
        refused = _hand_over(spec, password, letter(spec, message), timeout_s)
    except ssl.SSLCertVerificationError as error:
        raise Undelivered(f"its certificate is not trusted ({error.verify_message})", lasting=True) from None
    except TimeoutError:
        raise Undelivered(f"no answer in {timeout_s:g} s") from None
    except smtplib.SMTPAuthenticationError as error:
        raise Undelivered(f"the account is not let in ({error.smtp_code})", lasting=True) from None
    except smtplib.SMTPRecipientsRefused as error:
        codes = sorted({code for code, _ in error.recipients.values()})
        raise Undelivered(f"nobody is taken ({codes[0]})", lasting=codes[0] >= 500) from None
    except smtplib.SMTPResponseException as error:
        raise Undelivered(f"answers {error.smtp_code}", lasting=error.smtp_code >= 500) from None
    except smtplib.SMTPNotSupportedError:
        raise Undelivered("does not offer what is asked for (STARTTLS, or signing in)", lasting=True) from None
    except (OSError, smtplib.SMTPException) as error:
        raise Undelivered(f"not reached ({type(error).__name__})") from None
    if refused:
        why = f"took it for {len(spec.to) - refused} of {len(spec.to)} recipients"
        raise Undelivered(why, lasting=True, in_part=True)


def _hand_over(spec: MailSpec, password: str | None, made: EmailMessage, timeout_s: float) -> int:
    """Return how many recipients were refused, where one at least was not."""
    port = spec.port or PORTS[spec.security]
    if spec.security == "tls":
        context = ssl.create_default_context()
        server: smtplib.SMTP = smtplib.SMTP_SSL(spec.host, port, timeout=timeout_s, context=context)
    else:
        server = smtplib.SMTP(spec.host, port, timeout=timeout_s)
    with ending(server, timeout_s), server:
        if spec.security == "starttls":
            server.starttls(context=ssl.create_default_context())
        if spec.user is not None and password is not None:
            server.login(spec.user, password)
        return len(server.send_message(made, spec.sender, list(spec.to)))
