"""What is seen of a word to judge: the question, how many postings have it, a snippet, the keys."""

from rich.console import Console, Group, RenderableType
from rich.text import Text

from db.keyboard import drop_typed_ahead, keyboard
from db.word_session import WordSession, counts_of
from tagger.harmless import screen_stream, shown

KEYS = "f for  a against  r reject  s skip  z undo  q quit"


def run_words(session: WordSession) -> None:
    """Show words and obey keys until the labeller quits."""
    console = Console(file=screen_stream(), highlight=False)
    with keyboard() as read_key, console.screen() as screen:
        card = None
        while not session.is_over:
            if session.card is not card:
                card = session.card
                drop_typed_ahead()
            screen.update(draw_word(session))
            session.press(read_key())


def draw_word(session: WordSession) -> RenderableType:
    """The whole screen, a dozen lines at most."""
    card = session.card
    message = Text(session.message, "bold yellow", no_wrap=True, overflow="ellipsis")
    if card is None:
        return Group(Text("No more words."), message, Text("z undo  q quit", "dim"))
    head = Text(no_wrap=True, overflow="ellipsis")
    head.append(shown(card.tag), "bold").append(f"  word {session.progress}", "dim")
    question = Text("Does ").append(shown(card.word), "bold green" if card.is_for else "bold red")
    question.append(" speak for the tag, or against it?")
    snippet = Text(shown(card.before), "dim")
    snippet.append(shown(card.found), "bold").append(shown(card.after))
    lines = (Text(f"  {line}", "dim") for line in counts_of(card))
    keys = Text(KEYS, "dim", no_wrap=True, overflow="ellipsis")
    return Group(head, Text(""), question, *lines, Text(""), snippet, message, keys)
