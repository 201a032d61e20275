"""The model of nps.yaml: every key, what it may hold, what it means. Reading the file is in ``settings``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    create_model,
    field_validator,
    model_validator,
)

from connectors import registry
from connectors.base import Connector, Kind, Target
from connectors.config import SourceSettings, SurveyType
from connectors.survey_files.mapping import FileMapping
from nps_pipeline.known_values import known_country, known_cron, known_timezone, standard_term
from nps_pipeline.sync_fields import Adopt, Measure, OnDelete, Policy, SyncField

SOURCE_ORDER = ("files", "hubspot", "salesforce", "zendesk")
NAMES_SEEN = "names_seen"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Reporting(_Section):
    """How NPS is reported."""

    timezone: Annotated[str, AfterValidator(known_timezone)] = Field(
        "UTC", description="IANA time zone of periods (days, weeks, months) and of time stamps that state no zone."
    )
    min_n: int = Field(30, ge=1, description="Below this number of answers a cell shows no NPS, only its counts.")
    comments: Literal["shown", "hidden"] = Field("shown", description="Whether the report quotes comments.")


class FileEntry(FileMapping):
    """One kind of survey file: which files it is, and where each field stands in them."""

    @field_validator("name")
    @classmethod
    def _is_new(cls, name: str, info: ValidationInfo) -> str:
        seen: set[str] = (info.context or {}).get(NAMES_SEEN, set())
        if name in seen:
            raise ValueError(f"the name {name} stands twice; each entry needs its own")
        seen.add(name)
        return name

    @field_validator("channel", "touchpoint")
    @classmethod
    def _is_standard_term(cls, value: object, info: ValidationInfo) -> object:
        return standard_term(str(info.field_name), value) if isinstance(value, str) else value


class Survey(_Section):
    """A survey, whichever source its answers come from; it fills in what the sources leave open."""

    name: Annotated[str, Field(min_length=1)] = Field(
        description="Its name in the mart. Answers under this name, from any source, belong to one survey."
    )
    also: list[Annotated[str, Field(min_length=1)]] = Field(
        default_factory=list, description="Further names under which sources know the same survey."
    )
    survey_type: SurveyType | None = Field(None, description="What its answers are unless their source says otherwise.")
    channel: str | None = Field(None, description="Standard channel of its answers unless their source says one.")
    touchpoint: str | None = Field(None, description="Standard touchpoint of its answers unless their source says one.")

    @property
    def names(self) -> list[str]:
        """Every name, its own first."""
        return [self.name, *self.also]

    @field_validator("channel", "touchpoint")
    @classmethod
    def _is_standard_term(cls, value: object, info: ValidationInfo) -> object:
        return standard_term(str(info.field_name), value) if isinstance(value, str) else value


class _Sources(_Section):
    """What is pulled."""

    files: list[FileEntry] = Field(
        default_factory=list,
        description="How survey files in the inbox are read; the first entry whose `match` fits a file name is used. "
        "Files of a known survey tool need no entry.",
    )

    @model_validator(mode="before")
    @classmethod
    def _bare_names_are_enough(cls, entered: object) -> object:
        """`hubspot:` without anything behind it means `hubspot: {}`."""
        if not isinstance(entered, dict):
            return entered
        return {key: {} if value is None and key in registry.discover() else value for key, value in entered.items()}

    @field_validator("*")
    @classmethod
    def _terms_are_standard(cls, value: object) -> object:
        if isinstance(value, SourceSettings):
            for place, name, term in _stated_terms(value.model_dump(mode="json"), ""):
                try:
                    standard_term(name, term)
                except ValueError as error:
                    raise ValueError(f"{place}: {error}") from None
        return value


def _stated_terms(node: object, place: str) -> Iterator[tuple[str, str, str]]:
    """Every channel and touchpoint stated as a constant in a section: place, key, value."""
    if isinstance(node, list):
        for number, item in enumerate(node):
            yield from _stated_terms(item, f"{place}[{number}]")
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("channel", "touchpoint") and isinstance(value, str):
                yield f"{place}.{key}".removeprefix("."), key, value
            else:
                yield from _stated_terms(value, f"{place}.{key}")


class Deduplication(_Section):
    """Which copy of an answer wins when several sources carry it."""

    order: list[str] = Field(
        default_factory=lambda: list(SOURCE_ORDER),
        description="Sources (`files`) or streams (`files.qualtrics`), the preferred first; others come last. "
        f"Unless set: {', '.join(SOURCE_ORDER)}.",
    )


class Identity(_Section):
    """Which records are one customer."""

    people_per_address: int = Field(
        3,
        ge=1,
        description="An e-mail address that stands on records with more different names than this is shared by many "
        "people and joins none of them.",
    )
    keys_per_customer: int = Field(
        50,
        ge=2,
        description="A customer of more keys than this (person records, addresses, respondent ids) is cut at its "
        "weakest rule: respondent ids, phone numbers, addresses, ids of other sources. The check "
        "no_customer_is_too_large reports it.",
    )
    default_country: Annotated[str, AfterValidator(known_country)] | None = Field(
        None,
        description="ISO code of the country of phone numbers in national form where neither the person nor the "
        "account has one, such as `DE`. Unless set, such a number joins nobody.",
    )


class Gate(_Section):
    """What the gate asks besides the suites that ship."""

    shrink_floor: float = Field(
        0.8,
        ge=0,
        le=1,
        description="A full pull that serves less than this share of the records known to be live blocks publishing, "
        "until `nps run --accept-shrink`. 0 switches this off.",
    )
    suites: Annotated[str, Field(min_length=1)] | None = Field(
        None, description="Folder of your own suites (`*.yaml`), relative to this file. They are judged with the rest."
    )


class Publishing(_Section):
    """How publications are kept."""

    keep: int = Field(
        10, ge=2, description="How many publications stay on disk, the current one and one to go back to included."
    )


class Schedule(_Section):
    """When Dagster starts the run by itself (the schedule is switched on in the UI)."""

    cron: Annotated[str, AfterValidator(known_cron)] = Field(
        "0 5 * * *", description="Cron expression, in the reporting time zone."
    )


class FieldSync(_Section):
    """One field at the destination."""

    to: Annotated[str, Field(min_length=1)] = Field(description="Name of the field at the destination.")
    kind: Kind | None = Field(
        None, description="What the field holds: number, text, date or datetime. Default: what fits the value."
    )
    policy: Policy = Field(
        "theirs", description="Who wins where a person changed what was written: theirs, ours, or the newest."
    )
    adopt: Adopt = Field(
        "overwrite", description="What happens to a value that stands there and was never written by us."
    )
    on_delete: OnDelete = Field("keep", description="What happens to our value when its answer is deleted.")


class Spelling(_Section):
    """How the destination writes the three categories."""

    promoter: str = Field("promoter", description="For 9 and 10.")
    passive: str = Field("passive", description="For 7 and 8.")
    detractor: str = Field("detractor", description="For 0 to 6.")


class CategorySync(FieldSync):
    """The field of the category."""

    spelling: Spelling = Field(default_factory=Spelling, description="How the destination writes the categories.")


class SyncedFields(_Section):
    """Which values are written, each to its field; those left out are not."""

    score: FieldSync | None = Field(None, description="The score of the latest answer.")
    category: CategorySync | None = Field(None, description="promoter, passive or detractor.")
    responded_at: FieldSync | None = Field(None, description="When the latest answer was given.")


class SyncTarget(_Section):
    """An object of a CRM that receives scores."""

    create: Literal[False] = Field(False, description="Records are only updated, never created: false.")
    survey_type: SurveyType = Field(
        "relational", description="Only answers of this type count; types are never pooled."
    )
    touchpoint: str | None = Field(None, description="Only answers at this standard touchpoint count. Default: all.")
    fields: SyncedFields = Field(description="Which values are written, each to its field.")

    @field_validator("touchpoint")
    @classmethod
    def _is_standard_term(cls, value: object, info: ValidationInfo) -> object:
        return standard_term(str(info.field_name), value) if isinstance(value, str) else value


class _Sync(_Section):
    """What is written back into the CRMs."""

    mode: Literal["plan", "apply"] = Field(
        "plan", description="plan: nothing is written without `nps run --apply`. apply: every run writes."
    )


def _targets(connector: Connector) -> Any:
    optional: dict[str, Any] = {
        target.name: (SyncTarget | None, Field(default=None, description=f"What its {target.name} records receive."))
        for target in connector.targets
    }
    return create_model(
        f"{connector.title}Sync", __base__=_Section, __doc__=f"What {connector.title} receives.", **optional
    )


if TYPE_CHECKING:
    Sources = _Sources
    Sync = _Sync
else:
    Sources = create_model(
        "Sources",
        __base__=_Sources,
        __doc__=_Sources.__doc__,
        **{
            name: (
                connector.settings | None,
                Field(default=None, description=f"What is pulled from {connector.title}; left out: nothing."),
            )
            for name, connector in registry.discover().items()
        },
    )
    Sync = create_model(
        "Sync",
        __base__=_Sync,
        __doc__=_Sync.__doc__,
        **{
            name: (
                _targets(connector) | None,
                Field(default=None, description=f"What {connector.title} receives; left out: nothing."),
            )
            for name, connector in registry.discover().items()
            if connector.targets
        },
    )


class Configuration(_Section):
    """The whole of nps.yaml."""

    version: Literal[1] = Field(description="Format of this file: 1.")
    reporting: Reporting = Field(default_factory=Reporting)
    sources: Sources = Field(default_factory=Sources)
    surveys: list[Survey] = Field(
        default_factory=list,
        description="Surveys that several sources carry or that say too little about themselves.",
    )
    identity: Identity = Field(default_factory=Identity)
    deduplication: Deduplication = Field(default_factory=Deduplication)
    sync: Sync = Field(default_factory=Sync)
    gate: Gate = Field(default_factory=Gate)
    publish: Publishing = Field(default_factory=Publishing)
    schedule: Schedule = Field(default_factory=Schedule)

    @field_validator("surveys")
    @classmethod
    def _names_are_distinct(cls, surveys: list[Survey]) -> list[Survey]:
        names = [name.strip().lower() for survey in surveys for name in survey.names]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"the name '{twice[0]}' stands twice; a name belongs to one survey")
        return surveys

    @model_validator(mode="after")
    def _only_sources_are_written_to(self) -> Configuration:
        for name in registry.discover():
            if getattr(self.sync, name, None) is not None and self.crm(name) is None:
                raise ValueError(
                    f"sync.{name}: what stands in a CRM is read before it is written; add `{name}: {{}}` under sources"
                )
        return self

    def crm(self, source: str) -> SourceSettings | None:
        """The section of a CRM; None where nothing is pulled from it."""
        section: SourceSettings | None = getattr(self.sources, source, None)
        return section

    def sync_fields(self) -> list[SyncField]:
        """Every field that is to be kept up to date, in a stable order."""
        return [
            _sync_field(name, target, wanted, value)
            for name, connector in registry.discover().items()
            for target in connector.targets
            if (wanted := getattr(getattr(self.sync, name, None), target.name, None)) is not None
            for value in _MEASURES
            if getattr(wanted.fields, value) is not None
        ]


_MEASURES: tuple[Measure, ...] = ("score", "category", "responded_at")


def _sync_field(destination: str, target: Target, wanted: SyncTarget, value: Measure) -> SyncField:
    field: FieldSync = getattr(wanted.fields, value)
    return SyncField(
        destination=destination,
        object=target.name,
        stream=target.stream,
        survey_type=wanted.survey_type,
        touchpoint=wanted.touchpoint,
        value=value,
        field=field.to,
        kind=field.kind or target.kinds[value],
        policy=field.policy,
        adopt=field.adopt,
        on_delete=field.on_delete,
        spelling=field.spelling.model_dump() if isinstance(field, CategorySync) else {},
    )
