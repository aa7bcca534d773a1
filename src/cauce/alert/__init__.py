"""Who is told when a model needs somebody: what is worth telling, told once, to chats, people and programs.

The room knows causes and messages, not the loop: what was seen and decided is handed to it, and so is the environment
in which the secrets of channels stand.
"""

from cauce.alert.book import Book, Health, Line, Open, Waiting, look
from cauce.alert.causes import Cause, of_failed_watch, of_turn
from cauce.alert.channels import Channel, channels_of
from cauce.alert.message import Message, Told, compose, trial
from cauce.alert.outbox import Report, due, noted, post, send
from cauce.alert.undelivered import Undelivered

__all__ = [
    "Book",
    "Cause",
    "Channel",
    "Health",
    "Line",
    "Message",
    "Open",
    "Report",
    "Told",
    "Undelivered",
    "Waiting",
    "channels_of",
    "compose",
    "due",
    "look",
    "noted",
    "of_failed_watch",
    "of_turn",
    "post",
    "send",
    "trial",
]
