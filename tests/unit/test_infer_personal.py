"""What is taken for personal, by name and by form."""

from __future__ import annotations

import pytest

from sofetch.detect import personal
from sofetch.detect.personal import Personal, is_personal_key, personal_by_form, personal_by_name


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("ip, clientIP, IPAddress, user.ipv4, remote_addr, x-forwarded-for, masked_ip, ips, ip_addresses", personal.IP),
        ("email, eMail, user.e-mail, EMAIL_ADDRESS, mail, email.value, emails", personal.EMAIL),
        ("phone, phoneNumber, mobile, user.tel, msisdn, phone2", personal.PHONE),
        ("device_id, deviceId, idfa, imei, mac_address, mac_adresse, MAC-Adresse", personal.DEVICE),
        (
            "ssn, social_security_no, passport, nationalId, taxID, vin, vehicle_registration, vehicle.vin, mrn",
            personal.IDENTITY,
        ),
        ("card, cardNumber, credit_card, pan", personal.CARD),
        ("iban, bank_account, accountNumber", personal.ACCOUNT),
        ("dob, birthDate, date_of_birth, birthday", personal.BIRTH),
        ("lat, location.lng, longitude, coordinates, gps", personal.PLACE),
        ("zip, postcode, postal_code", personal.POSTCODE),
        ("address, street, user.address, billing_address, ship_addr, addr.line1, addr_l2", personal.ADDRESS),
        ("name, first_name, lastName, user.name, customerName, surname, vorname, names", personal.PERSON),
        ("password, api_key, user.accessToken, cvv, jwt, session_token", personal.SECRET),
        (
            "note, profile.bio, about_me, order.notes, delivery_instructions, customerComment, remarks, gift_message",
            personal.FREE_TEXT,
        ),
    ],
)
def test_names_say_what_a_field_holds(names: str, expected: Personal) -> None:
    assert {name: personal_by_name(name) for name in names.split(", ")} == dict.fromkeys(names.split(", "), expected)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (
            "Straße, adresse.straße, Wohnort, Lieferadresse, Geburtsort, rue, lieu_naissance, dirección",
            personal.ADDRESS,
        ),
        ("PLZ, Postleitzahl, code_postal, codePostal", personal.POSTCODE),
        ("Vorname, Nachname, Kundenname, kontoinhaber, nom, client.nom, nomFamille, prénom, cognome", personal.PERSON),
        ("Telefonnummer, Handy, handynummer, Rufnummer, téléphone, num_portable, móvil", personal.PHONE),
        ("E-Mail-Adresse, emailadresse, courriel, adresse_mail, correo", personal.EMAIL),
        ("ipAdresse, IP-Adresse, adresse_ip", personal.IP),
        ("Geburtsdatum, date_naissance, date de naissance, fechaNacimiento", personal.BIRTH),
        ("Kontonummer, konto_nr, numéro_compte, bankverbindung", personal.ACCOUNT),
        ("kartennummer, Kreditkarte, numéroCarte, carte_bancaire", personal.CARD),
        ("Steuernummer, steuer-id, Ausweisnummer, Reisepassnummer, Sozialversicherungsnummer", personal.IDENTITY),
        ("num_secu, numéro_sécu, passeport, immatriculation, codiceFiscale", personal.IDENTITY),
        ("Passwort, kennwort, mdp, mot_de_passe, contraseña", personal.SECRET),
        ("Bemerkung, Anmerkungen, commentaire, remarque", personal.FREE_TEXT),
        ("Krankenkasse, krankheitstage, schwanger, arrêt_maladie, numéro_syndicat", personal.SPECIAL),
        ("bruttogehalt, Jahresgehalt, salaire_net, stundenlohn", personal.INCOME),
    ],
)
def test_german_and_french_names_and_some_others_say_it_too(names: str, expected: Personal) -> None:
    assert {name: personal_by_name(name) for name in names.split(", ")} == dict.fromkeys(names.split(", "), expected)


def test_a_spanish_name_is_a_person_s_by_itself_or_beside_one() -> None:
    names = "nombre, data.nombre, nombreCliente, nombre_completo, nombre_de_usuario, primer_nombre, cliente.nombre"
    assert {name for name in names.split(", ") if personal_by_name(name) is not personal.PERSON} == set()


def test_whoever_plays_a_part_has_a_personal_name_and_login() -> None:
    names = "passenger.name, pupil.name, guardian.name, manager.name, students[].name, owner.login, user.handle, nick"
    assert {name for name in names.split(", ") if personal_by_name(name) is not personal.PERSON} == set()


def test_a_name_in_a_wrapper_is_as_personal_as_without() -> None:
    names = "name, after.name, before.name, payload.data.name, name.first, customer.name.last, name.given, nameFamily"
    assert {name for name in names.split(", ") if personal_by_name(name) is not personal.PERSON} == set()


def test_a_name_beside_a_part_that_software_plays_too_asks_for_values_that_are_full_names() -> None:
    for name in ("client.name", "created_by.name", "sellerName", "txn.debtor.nm", "cust_nm"):
        assert personal_by_name(name) is None
        assert personal.personal_by_part(name) is personal.PERSON
    for name in ("product.name", "user_agent", "user_agent.name", "parent.name", "actor"):
        assert personal.personal_by_part(name) is None


@pytest.mark.parametrize(
    "names",
    [
        "sort_by, sortBy, order_by, orderBy.name, query.group_by, filtered_by",
        "jdbc_driver, printer.driver.name, package_manager, http_client.name",
    ],
)
def test_what_a_program_plays_or_a_list_is_ordered_by_is_nobody_s_part(names: str) -> None:
    """`sort_by` holds "Last Updated", a printer's driver "Microsoft Print": capitalised words too."""
    assert {name for name in names.split(", ") if personal.personal_by_part(name) is not None} == set()
    for name in ("signed_by", "created_by.name", "taxi.driver", "store_manager", "http.client_contact", "order.client"):
        assert personal.personal_by_part(name) is personal.PERSON


@pytest.mark.parametrize(
    "names",
    [
        "religion, user.religion, religions, religiousAffiliation, political_opinion, partyAffiliation, trade_union",
        "ethnicity, ethnicGroup, ethnic_origin, race_ethnicity, race, person.race, masked_race",
        "sexual_orientation, sexualPreference, genome, genetic, genetic_data, biometric, biometricTemplate, faceprint",
        "sick_days, sickPay",
        "diagnosis, diagnoses[].code, medical_condition, medicalRecordNo, health_condition, icd10_code, illness",
        "disability, disabilities, disability_type, allergies, medications, prescription_id, bloodType, heart_rate",
        "konfession, Religionszugehörigkeit, blutgruppe",
    ],
)
def test_names_of_special_categories_are_known(names: str) -> None:
    assert {name for name in names.split(", ") if personal_by_name(name) is not personal.SPECIAL} == set()


def test_of_a_special_category_a_yes_or_no_is_the_very_thing() -> None:
    names = "is_pregnant, has_disability, employee.is_disabled, isUnionMember, is_religious, hiv_status, is_diabetic"
    assert {name for name in names.split(", ") if personal_by_name(name) is not personal.SPECIAL} == set()


def test_names_of_what_somebody_earns_or_owns_are_known() -> None:
    names = "salary, annualSalary, salaries, hourly_wages, income, household_income_eur, netWorth, credit_score, gehalt"
    assert {name for name in names.split(", ") if personal_by_name(name) is not personal.INCOME} == set()


@pytest.mark.parametrize(
    "names",
    [
        "health, health_check, health_status, medical, diagnostics, conditions, blood, hive, prescription_required",
        "party, third_party, political, faith, denomination, coin_denomination, union, credit_union, trade_id, member",
        "races, race_id, race_condition, data_race, race.name, horse_race, laps.race, is_race, team.race, trace",
        "disabled, is_disabled, account.is_disabled, users.isDisabled, customer.is_disabled, is_disabled_by",
        "gender, genetic_algorithm, biometric_enabled, biometric_login, ethnic, sexual, medication_count",
        "gross, net, worth, income_type, salary_currency, wage_period, has_income, credit, score, earnings_call",
    ],
)
def test_names_near_a_special_category_or_income_are_left_alone(names: str) -> None:
    assert {name for name in names.split(", ") if personal_by_name(name) is not None} == set()


@pytest.mark.parametrize(
    "name",
    [
        "user_id",
        "handle",
        "last_login",
        "login_at",
        "file.handle",
        "account_login_attempts",
        "user_login_url",
        "product_name_last_updated",
        "nombre_articles",  # in French a count
        "nombre_producto",
        "producto.nombre",
        "host_name_first_seen",
        "vin_rouge",
        "prix_vin_blanc",
        "jwt_alg",
        "jwt_kid",
        "jdbc_driver_name",
        "database.driver.name",
        "package_manager_name",
        "tagManager.name",
        "cluster_member_name",
        "bind_addr",
        "nominal",
        "host.name",
        "rubric",
        "bestellnummer",
        "num_phones",
        "id",
        "app_version",
        "ip_version",
        "email_verified",
        "email_verified_at",
        "has_phone",
        "is_mobile",
        "device_type",
        "card_type",
        "product.name",
        "event_name",
        "description",
        "note_id",
        "comment_count",
        "message",
        "ship_to",
        "plat",
        "locale",
        "country",
        "zipper",
        "flat",
        "user.address.city",
        "e-ink",
        "1",
        "",
    ],
)
def test_harmless_names_are_left_alone(name: str) -> None:
    assert personal_by_name(name) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("203.0.113.9", personal.IP),
        (" 2001:db8::9 ", personal.IP),
        ("[2001:db8::9]:443", personal.IP),
        ("203.0.113.9:80", personal.IP),
        ("203.0.113.9/32", personal.IP),
        ("203.0.113.9/24", personal.IP),
        ("fe80::1%eth0", personal.IP),
        ("jane@example.org", personal.EMAIL),
        ("jane+tag@mail.example.co.uk", personal.EMAIL),
        ("call jane@example.org", personal.FREE_TEXT),
        ("x" * 500 + " jane@example.org", personal.FREE_TEXT),
        ("078-05-1120", personal.IDENTITY),
        ("+49 30 1234567", personal.PHONE),
        ("(212) 555-0123", personal.PHONE),
        ("GB82 WEST 1234 5698 7654 32", personal.ACCOUNT),
        ("4111 1111 1111 1111", personal.CARD),
        ("5500-0000-0000-0004", personal.CARD),
        ("00:00:5e:00:53:01", personal.DEVICE),
        ("52.5200,13.4050", personal.PLACE),
    ],
)
def test_forms_say_what_a_value_is(text: str, expected: Personal) -> None:
    assert personal_by_form(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2.3.0",
        "10.0.0.0/8",
        "2001:db8::/32",
        "12:30",
        "2024-02-29",
        "2024-02-29T12:00:00+02:00",
        "424cdd21-063a-43a7-b91b-7ca1a833afae",
        "1700000000000",
        "4111111111111112",
        "GB82 WEST 1234 5698 7654 33",
        "user@localhost",
        "@",
        "RU",
        "android",
        "1,234.50",
        "12345-678",
    ],
)
def test_harmless_forms_are_left_alone(text: str) -> None:
    assert personal_by_form(text) is None


def test_a_key_can_be_a_personal_value_itself() -> None:
    assert is_personal_key("jane@example.org")
    assert is_personal_key("203.0.113.9")
    assert not is_personal_key("ip")


def test_domains_have_one_kind_each_so_that_inferred_columns_can_join() -> None:
    sorts = [value for value in vars(personal).values() if isinstance(value, Personal)]
    domains = [(sort.domain, sort.kind) for sort in sorts if sort.domain]
    assert len(dict(domains)) == len(set(domains))
