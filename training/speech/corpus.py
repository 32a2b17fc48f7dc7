"""Sentences to say: random words, so that no text is anybody's and the test's sentences are never the training's.

Words come from Debian's word lists where they are installed (``wamerican wbritish wngerman wfrench wspanish witalian
wpolish wdutch wswedish wdanish wportuguese``; public domain, BSD or GPL, read here, not passed on), from a short list of
everyday words, and from random syllables in the sounds and the spelling of the language, written for this project.
Without a list its share is syllables. ``word_source`` says which it was.

A sentence belongs to the test if a checksum of its text says so (``is_test``): the two sets share words, never a sentence.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

DICTIONARIES = Path("/usr/share/dict")
_MOST_WORDS = 30_000  # of a list, evenly spread
_WORD = re.compile(r"[^\W\d_]{2,13}")


@dataclass(frozen=True)
class Language:
    """How to make sentences of one language.

    Attributes:
        voices: espeak-ng voices that read it.
        words: Name of its word list in /usr/share/dict, or "".
        common: Everyday words.
        onsets, nuclei, codas: Spelling of syllables; an onset may be empty.
        join: What stands between syllables of a word.
    """

    voices: tuple[str, ...]
    words: str
    common: str
    onsets: str
    nuclei: str
    codas: str
    join: str = ""


_HANGUL = "hangul"
_ROMANCE_ONSETS = "b c d f g l m n p r s t v br cr dr fr gr pr tr bl cl fl pl -"
LANGUAGES: dict[str, Language] = {
    "en": Language(
        ("en-us", "en-us", "en-GB-x-rp", "en-GB-scotland", "en-US-nyc", "en-029", "en-GB-x-gbclan"), "american-english",
        "the of and a to in is you that it he was for on are as with his they at be this have from or one had by but not "
        "what all were we when your can said there use an each which she do how their if will up other about out many "
        "then them these so some her would make like him into time has look two more go see no way could people my than "
        "first been who now find long down day did get come made may part over new sound take only little work know place "
        "year live me back give most very after thing our just name good man think say great where help through much "
        "before move maybe mother baby happy problem people boy web people map both home family move why five give believe",
        "b bl br ch cl d dr f fl fr g gl gr h j k l m n p pl pr r s sh sk sl sm sp st str t th tr v w wh y z -",
        "a e i o u ai ea ee oa oo ou ay ow er ar or igh aw oi", "b d g k l ll m n ng p r s sh t th v x nd nt st mp lf - - -"),
    "it": Language(("it",), "italian", "il la di che e un una per non sono con ma come io mi ha lo si tu bene poi anche "
        "tempo buono mamma bambino ben dove quando perché uomo mai più", _ROMANCE_ONSETS + " gl gn sc ch z qu sp st",
        "a e i o u ia io uo", "- - - - n r l s m"),
    "pt": Language(("pt", "pt-br"), "portuguese", "o a de que e do da em um para com não uma os no se na por mais as dos "
        "como mas ao ele das tem seu sua bom bem muito também", _ROMANCE_ONSETS + " lh nh ch z j qu", "a e i o u ão ei ou ãe",
        "- - - - n r l s m"),
    "ca": Language(("ca",), "", "el la de que i en un una no se amb per els les és més com però molt bo dona home avui",
        _ROMANCE_ONSETS + " x j ny ll qu", "a e i o u è ò ia", "- - - n r l s t c"),
    "pl": Language(("pl",), "polish", "i w nie na się z do to że jest o jak ale po co tak za od tym być pan już może bardzo "
        "tylko wszystko mama", "b c cz d dz dź f g h j k l ł m n p r rz s sz ś t w z ż br dr gr kr pr st str sp szcz wz -",
        "a ą e ę i o u ó y", "- - - b c d k l m n r s ść t w cz sz"),
    "nl": Language(("nl",), "dutch", "de het een en van ik te dat die in je is niet op zijn wat er met voor maar hij heb wel "
        "moet mooi bij vrouw leven", "b bl br d dr f g gr h j k kl kr kn l m n p pl pr r s sch sl sp st t tr v vl w z zw -",
        "a e i o u aa ee oo uu ie oe eu ij ui ou", "- - b d f g k l m n ng p r s t cht nd rt"),
    "sv": Language(("sv",), "swedish", "och i att det som en på är av för med den till inte om ett han men var jag sig från vi så "
        "kan man när år barn bra mamma", "b bl br d dr f fl fr g gr h j k kl kr l m n p pl pr r s sk skj sl sm st str sv t tr tj v -",
        "a e i o u y å ä ö", "- - d g k l m n ng r s t v rd nd st"),
    "da": Language(("da",), "danish", "og i at det er en til af på som den med for de ikke der har han jeg var vi et men om hun "
        "havde barn godt", "b bl br d dr f fl fr g gr h j k kl kr l m n p pl pr r s sk sl sm sp st str sv t tr v -",
        "a e i o u y æ ø å", "- - d g k l m n ng r s t v nd st"),
    "tr": Language(("tr",), "", "ve bir bu da ne için ben çok ama o gibi daha var kadar sonra şey güzel baba", "b c ç d f g h j k l m n p r s ş t v y z -",
        "a e ı i o ö u ü", "- - k l m n r s ş t z p y"),
    "fi": Language(("fi",), "", "ja on ei se että hän oli mutta minä ovat kun niin myös mitä hyvä päivä", "h j k l m n p r s t v - kr pr",
        "a e i o u y ä ö aa ii uu ää ai ei oi uo yö ie äy öy", "- - - n s t l r m k p"),
    "cs": Language(("cs",), "", "a je se na to že v s do ale jak tak co jsem být pro dobrý máma", "b c č d f h ch j k l m n p r ř s š t v z ž br dr kr pr st tr vl zm -",
        "a á e é ě i í o u ů y ý ou", "- - - k l m n p r s t v d ž š"),
    "hu": Language(("hu",), "", "a az és hogy nem is egy van meg ez de csak volt mint jó nagyon", "b c cs d f g gy h j k l m n ny p r s sz t ty v z zs -",
        "a á e é i o ó ö ő u ü ű", "- - b d g k l m n r s t z sz"),
    "id": Language(("id",), "", "yang dan di ini itu dengan untuk tidak dari dalam saya akan pada bapak ibu", "b c d g h j k l m n ng ny p r s t w y -",
        "a e i o u ai au", "- - - n ng m k t s r h p"),
    "sw": Language(("sw",), "", "na ya wa kwa ni katika hii mimi baba mama nyumba maji", "b ch d f g h j k l m mb mw n nd ng ny p r s sh t v w y z -", "a e i o u", "-"),
    "ru": Language(("ru",), "", "и в не на я что он с как это по но они мы она так его было мама папа хорошо",
        "б в г д ж з к л м н п р с т ф х ц ч ш щ бр вл гр др кр пр ст стр тр -", "а е ё и о у ы э ю я", "- - - к л м н р с т й в ть нь"),
    "el": Language(("el",), "", "και το να του η της με που είναι για την στο από μαμά",
        "β γ δ ζ θ κ λ μ ν ξ π ρ σ τ φ χ ψ μπ ντ γκ τσ στ πρ τρ -", "α ε η ο υ ι ου ει αι ά έ ί ό", "- - - ν ς ρ λ"),
    "hi": Language(("hi",), "", "और है में की का से को यह वह नहीं एक हम पर भी आप मां बहुत",
        "क ख ग घ च छ ज झ ट ठ ड ढ त थ द ध न प फ ब भ म य र ल व श स ह", "ा ि ी ु ू े ै ो ौ - -", "- - - न म र ल त क स प"),
    "ko": Language(("ko",), "", "나는 우리 그리고 그런데 정말 오늘 사람 아버지 어머니 밥 물 봄 비 뭐 왜 마음 바람", _HANGUL, "", ""),
    "zh": Language(("cmn-Latn-pinyin",), "", "wo3 ni3 ta1 men5 de5 shi4 bu4 le5 zai4 you3 ren2 zhe4 zhong1 da4 lai2 shang4 ma1 ba4 peng2 ming2",
        "b p m f d t n l g k h j q x zh ch sh r z c s y w", "a o e i u ai ei ao ou an en ang eng ong ia iao iu ian in iang ing ua uo uai ui uan un uang", "1 2 3 4", " "),
    "de": Language(("de",), "ngerman", "der die das und ist nicht ich du wir sie ein eine mit auf für aber auch wie was bei so nach "
        "haben immer über mein Baum Mann", "b bl br d dr f fl fr g gr h j k kl kr l m n p pf pl pr r s sch schl schw sp st str t tr v w z zw -",
        "a e i o u ä ö ü ei au eu ie", "- - b ch ck d f g l m n ng r s st t tz nd rt"),
    "es": Language(("es", "es-419"), "spanish", "el la de que y en un una los se no con por para su al lo como más pero sus le ya o "
        "este sí porque muy bueno mamá también hombre", _ROMANCE_ONSETS + " ll ñ ch j z qu", "a e i o u ie ue ia io", "- - - - n r l s"),
    "fr": Language(("fr", "fr-ch"), "french", "le la de et un une les des que en est pas pour dans ce il je qui ne sur se au plus "
        "avec tout bien mais comme vous nous peut beau maman homme bon", _ROMANCE_ONSETS + " ch j qu gn z", "a e i o u é è ai au eau ou oi eu on an in",
        "- - - n r l s t x"),
    "ja": Language(("ja",), "", "わたし あなた これ それ ここ とても やま うみ みず まま ぱぱ ぼく ひと",
        "k s t n h m y r w g z d b p - ky sh ch ny hy my ry", "a i u e o", "- - - - n"),
}  # fmt: skip
HELD_OUT = ("es", "fr", "de", "ja")
TRAINED = tuple(name for name in LANGUAGES if name not in HELD_OUT)

_KANA = {
    "": "あいうえお", "k": "かきくけこ", "s": "さしすせそ", "t": "たちつてと", "n": "なにぬねの", "h": "はひふへほ",
    "m": "まみむめも", "y": "やいゆえよ", "r": "らりるれろ", "w": "わいうえを", "g": "がぎぐげご", "z": "ざじずぜぞ",
    "d": "だじづでど", "b": "ばびぶべぼ", "p": "ぱぴぷぺぽ", "ky": "きゃ きゅ きょ", "sh": "しゃ しゅ しょ",
    "ch": "ちゃ ちゅ ちょ", "ny": "にゃ にゅ にょ", "hy": "ひゃ ひゅ ひょ", "my": "みゃ みゅ みょ", "ry": "りゃ りゅ りょ",
}  # fmt: skip


@cache
def _list(language: str) -> tuple[str, ...]:
    """Words of a Debian list, evenly spread; none if it is not installed."""
    name = LANGUAGES[language].words
    path = DICTIONARIES / name
    if not name or not path.is_file():
        return ()
    lines = path.read_bytes().split(b"\n")
    lines = lines[:: max(1, len(lines) // _MOST_WORDS)]
    try:
        words = b"\n".join(lines).decode("utf-8").split()
    except UnicodeDecodeError:
        words = b"\n".join(lines).decode("latin-1").split()
    return tuple(w for w in words if _WORD.fullmatch(w) and not w.isupper())


def word_source(language: str) -> str:
    """``dictionary`` or ``syllables``: what the words are made of besides everyday ones."""
    return "dictionary" if _list(language) else "syllables"


def is_test(text: str) -> bool:
    """Whether a sentence is the test's (one in eight) and so never trained on."""
    return zlib.crc32(" ".join(re.findall(r"\w+", text.lower())).encode()) % 8 == 0


def _pick(rng: np.random.Generator, spelling: str) -> str:
    choice = spelling.split()[rng.integers(len(spelling.split()))]
    return "" if choice == "-" else choice


def _syllable(rng: np.random.Generator, name: str, language: Language) -> str:
    if name == "ko":  # every Hangul syllable is a number: initial, vowel, final
        final = int(rng.choice([0, 0, 0, 0, 1, 4, 8, 16, 17, 19, 21]))
        return chr(0xAC00 + (int(rng.integers(19)) * 21 + int(rng.integers(21))) * 28 + final)
    onset, nucleus, coda = (_pick(rng, s) for s in (language.onsets, language.nuclei, language.codas))
    if name == "ja":
        row = _KANA[onset].split() if " " in _KANA[onset] else list(_KANA[onset])
        return row["aiueo".index(nucleus) * len(row) // 5] + ("ん" if coda else "")
    return onset + nucleus + coda


def _word(rng: np.random.Generator, name: str) -> str:
    language, words = LANGUAGES[name], _list(name)
    kind = rng.random()
    if kind < 0.35:
        return _pick(rng, language.common)
    if words and kind < 0.88:
        drawn = [words[i] for i in rng.integers(len(words), size=2)]
        return min(drawn, key=len)  # short words are the common ones
    count = int(rng.choice([1, 2, 2, 3, 3, 4]))
    return language.join.join(_syllable(rng, name, language) for _ in range(count))


def sentence(rng: np.random.Generator, name: str, *, test: bool) -> str:
    """A sentence of 1 to 11 random words of a language.

    Args:
        rng: Chance.
        name: One of ``LANGUAGES``.
        test: Of the test's sentences, or of the training's.
    """
    while True:
        words = [_word(rng, name) for _ in range(int(rng.integers(1, 12)))]
        for i in range(len(words) - 1):
            if rng.random() < 0.1:
                words[i] += ","
        text = " ".join(words) + str(rng.choice([".", ".", ".", "?", "!"]))
        if is_test(text) == test:
            return text
