"""Made-up names for made-up people. Refuses to give one name twice."""

from __future__ import annotations

import numpy as np

_FIRST_NAMES = (
    "Ada Aisha Alba Amara Anders Anouk Anton Arjun Astrid Aylin Bao Beatriz Boris Bram Carmen Chidi Clara "
    "Corin Dalia Darius Devi Dina Edvin Elif Elina Emeka Enzo Esme Fadila Farid Felix Fiona Freya Gael Gita "
    "Greta Hana Hassan Hedda Hugo Ilse Imani Ines Ivo Jana Jonas Jorun Julia Kaito Kamala Karim Katja Kofi "
    "Lars Leila Lena Lucia Luka Mads Maia Malik Marta Mateo Mei Mila Mirko Nadia Naoko Nils Noor Nuria Oskar "
    "Otto Paola Pavel Petra Priya Quentin Rafael Ravi Rita Rosa Runa Sami Sana Selma Sofia Sunita Tariq Tessa "
    "Thandi Tomas Uma Vera Victor Wanda Xenia Yara Yusuf Zainab Zoran"
)
_LAST_NAMES = (
    "Abara Adler Almeida Amsel Arslan Bakker Banerjee Barros Becker Bellini Bergman Bianchi Bosko Brandt "
    "Calder Castell Cho Dahl Dembele Diallo Dragan Ebner Ekberg Eriksen Farouk Ferrer Fontana Fujita Galan "
    "Ghosh Gruber Haddad Hagen Halloran Hansen Hoshi Ibarra Iversen Jansen Jovanov Kaplan Kato Keller Kimura "
    "Kovac Kruse Lambert Larsen Lindqvist Lopes Maddox Mahler Marin Mbeki Mendes Moreau Nakano Nassar Novotny "
    "Nyberg Okafor Olsen Ortega Osei Palmer Park Pereira Pinto Quist Rahman Reyes Ricci Rossi Sandberg Santos "
    "Sato Schuster Serrano Sharma Silva Soto Takeda Tanaka Thorne Toure Ueda Vance Varga Verhoeven Vogel "
    "Wagner Weiss Winther Yamada Yilmaz Zapata Zeller Zhou"
)


def made_up_names(count: int, rng: np.random.Generator) -> list[str]:
    """count different "First Last" names in ASCII; beyond some thousands they get a number.

    First names repeat only once all were used, so that a small album has none twice.
    """
    first_names, last_names = _FIRST_NAMES.split(), _LAST_NAMES.split()
    # Only half of the pairs are used before numbers are, for the last ones would be long in the finding.
    pairs = len(first_names) * len(last_names) // 2
    names: list[str] = []
    taken: set[str] = set()
    while len(names) < count:
        round_number = len(names) // pairs + 1
        for first in rng.permutation(first_names)[: count - len(names)]:
            name = f"{first} {rng.choice(last_names)}"
            if round_number > 1:
                name = f"{name} {round_number}"
            if name not in taken:
                taken.add(name)
                names.append(name)
    return names
