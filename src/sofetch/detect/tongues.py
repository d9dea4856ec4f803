"""The words of other languages than English for what a field holds: German and French, and the commonest of a few more.

Owns those lists, in plain letters (``sofetch.detect.letters``). A German compound is one word here, as it is in a key.
Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sofetch.detect.catalogue import DetectorId

ANYWHERE: Final[Sequence[tuple[DetectorId, str]]] = (
    ("secret", "passwort, kennwort, mot de passe, motdepasse, mdp, contrasena, wachtwoord, senha"),
    ("email", "emailadresse, mailadresse, courriel"),
    ("device", "mac adresse, macadresse"),
    ("ip", "ipadresse"),
    (
        "phone",
        "telefonnummer, telefonnr, rufnummer, handy, handynummer, handynr, mobilnummer, mobiltelefon, mobilfunknummer, "
        "num portable, numero portable, telephone portable, telefono, telefone, telefoon, celular, movil, cellulare",
    ),
    (
        "identity",
        "steuernummer, steuernr, steuer id, steuerid, ausweisnummer, ausweisnr, personalausweis, reisepass, "
        "reisepassnummer, passnummer, sozialversicherungsnummer, sozialversicherung, rentenversicherungsnummer, "
        "versichertennummer, krankenversichertennummer, fuhrerschein, fuehrerschein, fuhrerscheinnummer, "
        "fuehrerscheinnummer, kfz kennzeichen, kfzkennzeichen, nummernschild, secu, securite sociale, numero fiscal, "
        "passeport, carte identite, carte d identite, piece identite, piece d identite, immatriculation, "
        "codice fiscale, pasaporte, passaporto, paspoort, cedula",
    ),
    (
        "card",
        "kartennummer, kartennr, kreditkarte, kreditkartennummer, numero carte, numero de carte, num carte, "
        "carte bancaire, carte credit, carte de credit, numero tarjeta, numero de tarjeta",
    ),
    (
        "iban",
        "kontonummer, kontonr, konto nr, bankverbindung, numero compte, numero de compte, num compte, compte bancaire, "
        "cuenta bancaria",
    ),
    (
        "birth_date",
        "date naissance, date de naissance, fecha nacimiento, fecha de nacimiento, data nascita, data di nascita, "
        "geboortedatum, gebdatum",
    ),
    ("postcode", "postleitzahl, code postal, codepostal, codigo postal, codice postale"),
    (
        "address",
        "wohnort, geburtsort, strassenname, lieferadresse, rechnungsadresse, wohnadresse, postadresse, privatadresse, "
        "lieferanschrift, rechnungsanschrift, rue, domicile, lieu naissance, lieu de naissance, birthplace, "
        "birth place, place of birth, calle, direccion, domicilio, indirizzo, endereco",
    ),
    (
        "person_name",
        "familienname, geburtsname, benutzername, kundenname, kontaktname, mitarbeitername, patientenname, "
        "empfangername, empfaengername, absendername, fahrername, kontoinhaber, karteninhaber, ansprechpartner, "
        "nom famille, nom de famille, nom complet, nom client, client nom, nom utilisateur, nom naissance, "
        "nom de naissance, nom jeune fille, titulaire, cognome, voornaam, achternaam, sobrenome, nombre cliente, "
        "nombre del cliente, nombre completo, nombre usuario, nombre de usuario, nombre contacto, nombre titular, "
        "nombre paciente, nombre empleado, primer nombre, segundo nombre, cliente nombre, usuario nombre, contacto "
        "nombre, paciente nombre, empleado nombre",
    ),
    (
        "special",
        "krankenkasse, krankenversicherung, krankheit, krankheitstag, krankheitstage, krankentage, schwanger, "
        "schwangerschaft, arret maladie, syndicat, grossesse, groupe sanguin",
    ),
    (
        "income",
        "jahresgehalt, monatsgehalt, bruttogehalt, nettogehalt, grundgehalt, bruttolohn, nettolohn, stundenlohn, lohn, "
        "verdienst",
    ),
)
AT_THE_END: Final[Sequence[tuple[DetectorId, str]]] = (
    ("phone", "mobil"),
    ("free_text", "anmerkung, anmerkungen, remarque, observaciones, opmerking, opmerkingen"),
)
NAMES_ALONE: Final = frozenset({"nom", "nome", "naam", "nombre"})
"""Words for a name that are one only by themselves: a product's is in `nom_produit`, a French `nombre` counts."""
NUMBERED: Final = frozenset({"carte", "compte", "passeport", "portable", "secu", "syndicat", "tel", "telephone"})
"""What `num` before it is the number of, in French: it counts nothing, as it does in `num_phones`."""
