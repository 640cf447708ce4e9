# SPDX-License-Identifier: MIT
"""The list of what the programs are made of has the structure of SPDX 2.3, is true, and comes out the same
each time."""

import hashlib
import json
import os
import re
import subprocess

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
BUILD = os.environ.get("EF_BUILD") or os.path.join(TOP, "build")
PROGRAM = os.path.join(BUILD, "eventferryd")


def make(path, **environment):
    subprocess.run([os.path.join(TOP, "scripts", "sbom"), PROGRAM, path], check=True, cwd=TOP,
                   env={**os.environ, **environment})
    return path.read_bytes()


@pytest.fixture(scope="module")
def sbom(tmp_path_factory):
    return json.loads(make(tmp_path_factory.mktemp("sbom") / "x.json", SOURCE_DATE_EPOCH="1700000000"))


def test_the_document_is_whole(sbom):
    """Sections 6 to 8 and 11 of the specification: what must be there, and the form of it."""
    assert (sbom["spdxVersion"], sbom["dataLicense"]) == ("SPDX-2.3", "CC0-1.0")
    assert sbom["SPDXID"] == "SPDXRef-DOCUMENT" and sbom["name"]
    assert re.fullmatch(r"https://[^#\s]+", sbom["documentNamespace"])
    assert sbom["creationInfo"]["created"] == "2023-11-14T22:13:20Z"
    assert all(re.match(r"(Tool|Person|Organization): ", who)
               for who in sbom["creationInfo"]["creators"])
    elements = [sbom, *sbom["packages"], *sbom["files"]]
    ids = [element["SPDXID"] for element in elements]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"SPDXRef-[A-Za-z0-9.-]+", identity) for identity in ids)
    for package in sbom["packages"]:
        assert package["name"] and package["downloadLocation"] and package["licenseDeclared"]
        assert re.match(r"\d+(\.\d+)*", package["versionInfo"]), package
        assert ("packageVerificationCode" in package) == package["filesAnalyzed"]
    for relation in sbom["relationships"]:
        assert relation["spdxElementId"] in ids and relation["relatedSpdxElement"] in ids
    related = {relation["relatedSpdxElement"] for relation in sbom["relationships"]}
    assert related == set(ids) - {"SPDXRef-DOCUMENT"}


def test_checksums_are_those_of_the_sources(sbom):
    sums = []
    for entry in sbom["files"]:
        with open(os.path.join(TOP, entry["fileName"]), "rb") as source:
            content = source.read()
        found = {each["algorithm"]: each["checksumValue"] for each in entry["checksums"]}
        assert found == {"SHA1": hashlib.sha1(content).hexdigest(),
                         "SHA256": hashlib.sha256(content).hexdigest()}, entry["fileName"]
        sums.append(found["SHA1"])
    code = hashlib.sha1("".join(sorted(sums)).encode()).hexdigest()
    ours = next(package for package in sbom["packages"] if package["name"] == "eventferry")
    assert ours["packageVerificationCode"]["packageVerificationCodeValue"] == code
    names = {entry["fileName"] for entry in sbom["files"]}
    assert {"./src/main.c", "./LICENSE", "./configure.ac"} <= names


def test_packages_are_the_linked_libraries(sbom):
    told = subprocess.run([PROGRAM, "--version"], stdout=subprocess.PIPE, text=True,
                          check=True).stdout.splitlines()
    linked = dict(line.split(" ", 1) for line in told[1:-1])
    listed = {package["name"]: package["versionInfo"] for package in sbom["packages"]}
    assert set(listed) == set(linked) | {"eventferry", "uthash"}
    assert all(listed[name] == version for name, version in linked.items() if version != "(linked)")


def test_it_comes_out_the_same(tmp_path):
    first, second = (make(tmp_path / name, SOURCE_DATE_EPOCH="1700000000") for name in ("a", "b"))
    assert first == second
