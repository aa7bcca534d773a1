"""A message as chats take it: Slack's incoming webhooks, a Teams workflow that posts cards, plain JSON.

Text from data stands only where a chat reads no markup: `plain_text` in Slack's blocks, a `TextRun` in a card.

Sources: Slack, "Sending messages using incoming webhooks" and "Block Kit: header, section, context" (150 characters of
a header, 3,000 of a section, 50 blocks); Microsoft, "Post a workflow when a webhook request is received in Microsoft
Teams" (adaptive cards alone, no message cards; 28 KB) and Adaptive Cards 1.4 ("TextRun: Markdown is not supported").
"""

from __future__ import annotations

import re
from typing import Any

from cauce.alert.message import Message, clean, headed
from cauce.alert.words import say

Payload = dict[str, Any]


def slack(message: Message) -> Payload:
    """Return a message for an incoming webhook of Slack; Mattermost shows its `text`."""
    blocks: list[Payload] = [{"type": "header", "text": _plain(message.title, 150)}]
    blocks += [{"type": "section", "text": _plain(f"{headed(line)}\n{line.reason}", 2900)} for line in message.lines]
    if message.more:
        blocks.append({"type": "context", "elements": [_plain(say("more", message.language, message.more), 200)]})
    if message.link:
        text = f"<{_entities(message.link)}|{say('console', message.language)}>"
        blocks.append({"type": "context", "elements": [{"type": "mrkdwn", "text": text}]})
    text = _harmless(f"{message.title}\n\n{message.body}")
    return {"text": text[:3900], "blocks": blocks, "unfurl_links": False, "unfurl_media": False}


def _plain(text: str, longest: int) -> Payload:
    """Return a text that is shown as it is: neither markup nor emoji names."""
    short = text if len(text) <= longest else text[: longest - 1] + "…"
    return {"type": "plain_text", "text": short, "emoji": False}


def _entities(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _harmless(text: str) -> str:
    """Return a text in which nothing calls somebody, links or loads a picture, in Slack's markup and in Markdown."""
    return re.sub(r"\]\(", "]\u200b(", _entities(text)).replace("@", "@\u200b")


def teams(message: Message) -> Payload:
    """Return a message for a Teams workflow that begins "when a Teams webhook request is received": one card."""
    body: list[Payload] = [_run(clean(message.title, 150), weight="Bolder", size="Medium")]
    for line in message.lines:
        colour = {"new": "Attention", "again": "Warning", "over": "Good"}[line.state]
        body.append(_run(headed(line), weight="Bolder", color=colour))
        body.append(_run(line.reason))
    if message.more:
        body.append(_run(say("more", message.language, message.more)))
    card: Payload = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "fallbackText": clean(message.title, 150),
        "msteams": {"width": "Full"},
        "body": body,
    }
    if message.link:
        card["actions"] = [
            {"type": "Action.OpenUrl", "title": say("console", message.language), "url": message.link},
        ]
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    return {"type": "message", "attachments": [attachment]}


def _run(text: str, **style: str) -> Payload:
    return {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": text, **style}]}


def plain(message: Message) -> Payload:
    """Return a message's own fields, for a program or a service of one's own."""
    return {
        "id": message.id,
        "at": message.at.isoformat(),
        "project": message.project,
        "model": message.model or None,
        "language": message.language,
        "title": message.title,
        "lines": [
            {"state": one.state, "kind": one.kind, "title": one.title, "reason": one.reason, "note": one.note}
            for one in message.lines
        ],
        "more": message.more,
        "link": message.link,
    }
