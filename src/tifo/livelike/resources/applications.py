"""Applications are shown by these: the discovery document, the client secret, the tokens."""

import msgspec

from tifo.engagement.access import TokenInfo
from tifo.engagement.model import Application
from tifo.kernel.clock import to_iso
from tifo.livelike.links import Links
from tifo.livelike.resources.base import Id, Resource, Time, Url


class ApplicationResource(Resource, frozen=True, kw_only=True):
    """The discovery document: clients find every other address here."""

    url: Url
    name: str
    client_id: Id
    automatic_quest_processing: bool
    auto_claim_quest_rewards: bool
    # LiveLike: it concerns widgets, not quests.
    autoclaim_interaction_rewards: bool = False
    default_program_id: Id
    # Seconds: LiveLike's SDK multiplies by 1,000.
    api_polling_interval: int = 10
    media_url: None = None
    image_url: None = None
    organization_id: None = None
    organization_name: None = None
    analytics_properties: dict[str, str] = {}  # noqa: RUF012 (msgspec copies it)
    # The SDK opens PubNub for a subscription only, so null is fine for everything that Tifo has.
    pubnub_subscribe_key: None = None
    pubnub_publish_key: None = None
    pubnub_origin: None = None
    pubnub_heartbeat_interval: None = None
    pubnub_presence_timeout: None = None
    mixpanel_token: None = None
    profile_url: Url
    profile_detail_url_template: Url
    programs_url: Url
    program_detail_url_template: Url
    reward_items_url: Url
    reward_actions_url: Url
    reward_transactions_url: Url
    invoked_actions_url: Url
    badges_url: Url
    badge_profiles_url: Url
    quests_url: Url
    user_quests_url: Url
    user_quests_url_template: Url
    user_quest_detail_url_template: Url
    user_quest_rewards_url: Url
    leaderboard_detail_url_template: Url
    profile_leaderboards_url_template: Url
    profile_leaderboard_views_url_template: Url
    user_quest_task_progress_url: Url

    @classmethod
    def of(cls, app: Application, links: Links) -> "ApplicationResource":
        # LiveLike's SDK appends `&…` to some of these addresses, which must hold a `?`, and `?…` to the others.
        client_id = app.id
        return cls(
            url=links.to("applications", client_id),
            name=app.name,
            client_id=client_id,
            automatic_quest_processing=app.automatic_quest_processing,
            auto_claim_quest_rewards=app.auto_claim_quest_rewards,
            default_program_id=app.default_program_id,
            profile_url=links.to("applications", client_id, "profile"),
            profile_detail_url_template=links.to("profiles", "{profile_id}"),
            programs_url=f"{links.to('programs')}?client_id={client_id}",
            # The SDK reads a program without a token, so the address must name the application.
            program_detail_url_template=f"{links.to('programs', '{program_id}')}?client_id={client_id}",
            reward_items_url=links.query("reward-items", client_id=client_id),
            reward_actions_url=links.to("reward-actions"),
            reward_transactions_url=links.to("reward-transactions"),
            invoked_actions_url=links.to("invoked-actions"),
            badges_url=links.to("applications", client_id, "badges"),
            badge_profiles_url=links.to("badge-profiles"),
            quests_url=links.query("quests", client_id=client_id),
            user_quests_url=links.to("user-quests"),
            user_quests_url_template=f"{links.to('user-quests')}?profile_id={{profile_id}}",
            user_quest_detail_url_template=links.to("user-quests", "{user_quest_id}"),
            user_quest_rewards_url=links.to("user-quest-rewards"),
            leaderboard_detail_url_template=links.to("leaderboards", "{leaderboard_id}"),
            profile_leaderboards_url_template=links.to("profiles", "{profile_id}", "leaderboards"),
            profile_leaderboard_views_url_template=links.to("profiles", "{profile_id}", "leaderboard-views"),
            user_quest_task_progress_url=links.to("user-quest-task-progress"),
        )


class NewApplicationResource(ApplicationResource, frozen=True, kw_only=True):
    """The application with its client secret and its first token, which no other answer shows."""

    client_secret: str
    producer_token: str

    @classmethod
    def with_secrets(
        cls, app: Application, links: Links, *, client_secret: str, producer_token: str
    ) -> "NewApplicationResource":
        shown = msgspec.structs.asdict(ApplicationResource.of(app, links))
        return cls(**shown, client_secret=client_secret, producer_token=producer_token)


class ClientSecretResource(Resource, frozen=True, kw_only=True):
    client_id: Id
    client_secret: str


class TokenResource(Resource, frozen=True, kw_only=True):
    """The name of a producer token. The token itself was shown once and cannot be shown again."""

    id: Id
    name: str
    created_at: Time

    @classmethod
    def of(cls, info: TokenInfo) -> "TokenResource":
        return cls(id=info.id, name=info.name, created_at=to_iso(info.created_at))


class NewTokenResource(TokenResource, frozen=True, kw_only=True):
    """The producer token, which no other answer shows."""

    token: str
