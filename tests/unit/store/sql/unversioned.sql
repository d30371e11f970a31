BEGIN TRANSACTION;
CREATE TABLE applications (
	id VARCHAR NOT NULL, 
	body TEXT NOT NULL, 
	client_secret VARCHAR NOT NULL, 
	definitions_version INTEGER NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "applications" VALUES('01a210f2-9e78-7427-b80b-954c36ef4490','{"kind":"application","id":"01a210f2-9e78-7427-b80b-954c36ef4490","name":"Club","default_program_id":"01a210f2-9e78-7427-b80b-954c36df4490","created_at":"2026-11-25T04:24:25.464538Z","automatic_quest_processing":true,"auto_claim_quest_rewards":true}','YJzmjrTxezz0-J5MytXzduL4lbRKVNH0F9tBavX560M',9);
CREATE TABLE balances (
	profile_id VARCHAR NOT NULL, 
	reward_item_id VARCHAR NOT NULL, 
	balance BIGINT NOT NULL CHECK (balance >= 0), 
	PRIMARY KEY (profile_id, reward_item_id)
)
 WITHOUT ROWID

;
INSERT INTO "balances" VALUES('01a210f2-9eb9-767e-b30d-a73272b2b9b0','01a210f2-9e91-7179-b32a-8f9e9323137c',6);
CREATE TABLE connections (
	client_id VARCHAR NOT NULL, 
	write_key VARCHAR NOT NULL, 
	endpoint VARCHAR, 
	PRIMARY KEY (client_id)
);
INSERT INTO "connections" VALUES('01a210f2-9e78-7427-b80b-954c36ef4490','qWfOLuy8qjrTcnmXV1JkhLRhs2ijclYf',NULL);
CREATE TABLE definitions (
	position INTEGER NOT NULL, 
	id VARCHAR NOT NULL, 
	client_id VARCHAR NOT NULL, 
	body TEXT NOT NULL, 
	PRIMARY KEY (position), 
	UNIQUE (id)
);
INSERT INTO "definitions" VALUES(1,'01a210f2-9e78-7427-b80b-954c36df4490','01a210f2-9e78-7427-b80b-954c36ef4490','{"kind":"program","id":"01a210f2-9e78-7427-b80b-954c36df4490","name":"Default","created_at":"2026-11-25T04:24:25.464538Z"}');
INSERT INTO "definitions" VALUES(2,'01a210f2-9e91-7179-b32a-8f9e9323137c','01a210f2-9e78-7427-b80b-954c36ef4490','{"kind":"reward_item","id":"01a210f2-9e91-7179-b32a-8f9e9323137c","name":"Points","created_at":"2026-11-25T04:24:25.488616Z","attributes":[]}');
INSERT INTO "definitions" VALUES(3,'01a210f2-9e99-7903-91e7-6617b54ac2c0','01a210f2-9e78-7427-b80b-954c36ef4490','{"kind":"reward_action","id":"01a210f2-9e99-7903-91e7-6617b54ac2c0","key":"vote","name":"Vote","created_at":"2026-11-25T04:24:25.496773Z","description":null,"type":"custom"}');
INSERT INTO "definitions" VALUES(4,'01a210f2-9e9c-7acf-abd4-0dd1db9314f0','01a210f2-9e78-7427-b80b-954c36ef4490','{"kind":"reward_table","id":"01a210f2-9e9c-7acf-abd4-0dd1db9314f0","name":"Table","created_at":"2026-11-25T04:24:25.500004Z","entries":[{"id":"01a210f2-9e9c-7acf-abd4-0dd1dba314f0","reward_item_id":"01a210f2-9e91-7179-b32a-8f9e9323137c","reward_item_amount":5,"action_key":"vote"}],"program_ids":["01a210f2-9e78-7427-b80b-954c36df4490"]}');
INSERT INTO "definitions" VALUES(5,'01a210f2-9ea3-72f0-aa81-686a60cef24c','01a210f2-9e78-7427-b80b-954c36ef4490','{"kind":"badge","id":"01a210f2-9ea3-72f0-aa81-686a60cef24c","name":"Five","created_at":"2026-11-25T04:24:25.507303Z","description":null,"image_url":null,"progressions":[{"reward_item_id":"01a210f2-9e91-7179-b32a-8f9e9323137c","reward_item_threshold":5}],"attributes":[]}');
INSERT INTO "definitions" VALUES(6,'01a210f2-9eac-766f-8894-3db583ed5878','01a210f2-9e78-7427-b80b-954c36ef4490','{"kind":"quest","id":"01a210f2-9eac-766f-8894-3db583ed5878","name":"Vote","created_at":"2026-11-25T04:24:25.516212Z","description":null,"started_at":null,"stopped_at":null,"timeout":null,"tasks":[{"id":"01a210f2-9eb0-7266-9f7c-1f637fd39e60","name":"Once","created_at":"2026-11-25T04:24:25.519995Z","description":null,"target_value":"1","default_progress_increment":"1","reward_action_key":"vote","attributes":[]}],"rewards":[{"id":"01a210f2-9eb4-7bd7-aebf-d3f13840bbec","reward_item_id":"01a210f2-9e91-7179-b32a-8f9e9323137c","reward_item_amount":1}],"attributes":[]}');
CREATE TABLE earned_badges (
	position INTEGER NOT NULL, 
	id VARCHAR NOT NULL, 
	client_id VARCHAR NOT NULL, 
	profile_id VARCHAR NOT NULL, 
	badge_id VARCHAR NOT NULL, 
	awarded_at BIGINT NOT NULL, 
	PRIMARY KEY (position), 
	UNIQUE (profile_id, badge_id)
);
INSERT INTO "earned_badges" VALUES(1,'01a210f2-9ec7-7bed-87c5-87bcd8a0b9e0','01a210f2-9e78-7427-b80b-954c36ef4490','01a210f2-9eb9-767e-b30d-a73272b2b9b0','01a210f2-9ea3-72f0-aa81-686a60cef24c',1795580665536102);
CREATE TABLE facts (
	position INTEGER NOT NULL, 
	id VARCHAR NOT NULL, 
	client_id VARCHAR NOT NULL, 
	kind VARCHAR NOT NULL, 
	body TEXT NOT NULL, 
	PRIMARY KEY (position)
);
INSERT INTO "facts" VALUES(1,'01a210f2-9ec7-7bed-87c5-87bcd890b9e0','01a210f2-9e78-7427-b80b-954c36ef4490','reward_item_rewarded','{"kind":"reward_item_rewarded","id":"01a210f2-9ec7-7bed-87c5-87bcd890b9e0","client_id":"01a210f2-9e78-7427-b80b-954c36ef4490","profile_id":"01a210f2-9eb9-767e-b30d-a73272b2b9b0","custom_id":"fan","happened_at":"2026-11-25T04:24:25.536102Z","reward_item_id":"01a210f2-9e91-7179-b32a-8f9e9323137c","reward_item_name":"Points","reward_item_amount":5,"reward_item_balance":5,"reward_item_transaction_id":"01a210f2-9ec7-7bed-87c5-87bcd880b9e0"}');
INSERT INTO "facts" VALUES(2,'01a210f2-9ec7-7d1d-94f6-2ad899158868','01a210f2-9e78-7427-b80b-954c36ef4490','badge_rewarded','{"kind":"badge_rewarded","id":"01a210f2-9ec7-7d1d-94f6-2ad899158868","client_id":"01a210f2-9e78-7427-b80b-954c36ef4490","profile_id":"01a210f2-9eb9-767e-b30d-a73272b2b9b0","custom_id":"fan","happened_at":"2026-11-25T04:24:25.536102Z","badge_id":"01a210f2-9ea3-72f0-aa81-686a60cef24c","badge_title":"Five","description":null,"earned_badge_id":"01a210f2-9ec7-7bed-87c5-87bcd8a0b9e0","image_url":null,"reward_item_id":"01a210f2-9e91-7179-b32a-8f9e9323137c","reward_item_name":"Points","reward_item_threshold":5}');
INSERT INTO "facts" VALUES(3,'01a210f2-9ec7-7d1d-94f6-2ad899458868','01a210f2-9e78-7427-b80b-954c36ef4490','user_quest_task_progressed','{"kind":"user_quest_task_progressed","id":"01a210f2-9ec7-7d1d-94f6-2ad899458868","client_id":"01a210f2-9e78-7427-b80b-954c36ef4490","profile_id":"01a210f2-9eb9-767e-b30d-a73272b2b9b0","custom_id":"fan","happened_at":"2026-11-25T04:24:25.536102Z","quest_id":"01a210f2-9eac-766f-8894-3db583ed5878","quest_name":"Vote","quest_task_id":"01a210f2-9eb0-7266-9f7c-1f637fd39e60","quest_task_name":"Once","quest_task_target_value":"1","user_quest_id":"01a210f2-9ec7-7d1d-94f6-2ad899258868","user_quest_task_id":"01a210f2-9ec7-7d1d-94f6-2ad899358868","user_quest_task_progress":"1"}');
INSERT INTO "facts" VALUES(4,'01a210f2-9ec7-7d1d-94f6-2ad899558868','01a210f2-9e78-7427-b80b-954c36ef4490','quest_task_completed','{"kind":"quest_task_completed","id":"01a210f2-9ec7-7d1d-94f6-2ad899558868","client_id":"01a210f2-9e78-7427-b80b-954c36ef4490","profile_id":"01a210f2-9eb9-767e-b30d-a73272b2b9b0","custom_id":"fan","happened_at":"2026-11-25T04:24:25.536102Z","quest_id":"01a210f2-9eac-766f-8894-3db583ed5878","quest_name":"Vote","quest_task_id":"01a210f2-9eb0-7266-9f7c-1f637fd39e60","quest_task_name":"Once","user_quest_id":"01a210f2-9ec7-7d1d-94f6-2ad899258868","user_quest_task_id":"01a210f2-9ec7-7d1d-94f6-2ad899358868"}');
INSERT INTO "facts" VALUES(5,'01a210f2-9ec7-7d1d-94f6-2ad899658868','01a210f2-9e78-7427-b80b-954c36ef4490','user_quest_completed','{"kind":"user_quest_completed","id":"01a210f2-9ec7-7d1d-94f6-2ad899658868","client_id":"01a210f2-9e78-7427-b80b-954c36ef4490","profile_id":"01a210f2-9eb9-767e-b30d-a73272b2b9b0","custom_id":"fan","happened_at":"2026-11-25T04:24:25.536102Z","quest_id":"01a210f2-9eac-766f-8894-3db583ed5878","quest_name":"Vote","user_quest_id":"01a210f2-9ec7-7d1d-94f6-2ad899258868"}');
INSERT INTO "facts" VALUES(6,'01a210f2-9ec7-7d1d-94f6-2ad899858868','01a210f2-9e78-7427-b80b-954c36ef4490','quest_reward_awarded','{"kind":"quest_reward_awarded","id":"01a210f2-9ec7-7d1d-94f6-2ad899858868","client_id":"01a210f2-9e78-7427-b80b-954c36ef4490","profile_id":"01a210f2-9eb9-767e-b30d-a73272b2b9b0","custom_id":"fan","happened_at":"2026-11-25T04:24:25.536102Z","quest_id":"01a210f2-9eac-766f-8894-3db583ed5878","quest_name":"Vote","reward_item_id":"01a210f2-9e91-7179-b32a-8f9e9323137c","reward_item_name":"Points","reward_item_amount":1,"reward_item_balance":6,"reward_item_transaction_id":"01a210f2-9ec7-7d1d-94f6-2ad899758868"}');
CREATE TABLE idempotency (
	client_id VARCHAR NOT NULL, 
	"key" VARCHAR NOT NULL, 
	digest BLOB NOT NULL, 
	answer TEXT NOT NULL, 
	created_at BIGINT NOT NULL, 
	PRIMARY KEY (client_id, "key")
);
CREATE TABLE invoked_actions (
	position INTEGER NOT NULL, 
	client_id VARCHAR NOT NULL, 
	program_id VARCHAR NOT NULL, 
	profile_id VARCHAR NOT NULL, 
	reward_action_key VARCHAR NOT NULL, 
	code VARCHAR, 
	body TEXT NOT NULL, 
	PRIMARY KEY (position), 
	UNIQUE (profile_id, reward_action_key, code)
);
INSERT INTO "invoked_actions" VALUES(1,'01a210f2-9e78-7427-b80b-954c36ef4490','01a210f2-9e78-7427-b80b-954c36df4490','01a210f2-9eb9-767e-b30d-a73272b2b9b0','vote','1','{"id":"01a210f2-9ec7-7243-9f65-cd7b342af184","program_id":"01a210f2-9e78-7427-b80b-954c36df4490","profile_id":"01a210f2-9eb9-767e-b30d-a73272b2b9b0","reward_action_key":"vote","created_at":"2026-11-25T04:24:25.536102Z","code":"1","rewards":[{"reward_item_id":"01a210f2-9e91-7179-b32a-8f9e9323137c","reward_item_name":"Points","reward_item_amount":5}],"description":null,"attributes":[]}');
CREATE TABLE profiles (
	id VARCHAR NOT NULL, 
	client_id VARCHAR NOT NULL, 
	custom_id VARCHAR, 
	nickname VARCHAR NOT NULL, 
	custom_data TEXT, 
	attributes TEXT NOT NULL, 
	created_at BIGINT NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (client_id, custom_id)
);
INSERT INTO "profiles" VALUES('01a210f2-9eb9-767e-b30d-a73272b2b9b0','01a210f2-9e78-7427-b80b-954c36ef4490','fan','Fan 72b2b9b0',NULL,'[]',1795580665528009);
CREATE TABLE relay_cursors (
	client_id VARCHAR NOT NULL, 
	position BIGINT NOT NULL, 
	PRIMARY KEY (client_id)
);
INSERT INTO "relay_cursors" VALUES('01a210f2-9e78-7427-b80b-954c36ef4490',1);
CREATE TABLE relay_lines (
	client_id VARCHAR NOT NULL, 
	last_sent VARCHAR, 
	last_sent_at BIGINT, 
	refused_in_a_row INTEGER NOT NULL, 
	held BOOLEAN, 
	since BIGINT, 
	tried_at BIGINT, 
	attempts INTEGER, 
	error TEXT, 
	PRIMARY KEY (client_id)
);
INSERT INTO "relay_lines" VALUES('01a210f2-9e78-7427-b80b-954c36ef4490','01a210f2-9ec7-7bed-87c5-87bcd890b9e0',1795580665578563,0,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE set_aside_facts (
	position BIGINT NOT NULL, 
	client_id VARCHAR NOT NULL, 
	fact_id VARCHAR NOT NULL, 
	status INTEGER NOT NULL, 
	answer TEXT NOT NULL, 
	at BIGINT NOT NULL, 
	resend_number BIGINT, 
	PRIMARY KEY (position), 
	UNIQUE (fact_id)
);
CREATE TABLE sources (
	position INTEGER NOT NULL, 
	id VARCHAR NOT NULL, 
	name VARCHAR NOT NULL, 
	slug VARCHAR NOT NULL, 
	schema VARCHAR NOT NULL, 
	type VARCHAR NOT NULL, 
	enabled BOOLEAN NOT NULL, 
	write_key VARCHAR NOT NULL, 
	created_at BIGINT NOT NULL, 
	PRIMARY KEY (position), 
	UNIQUE (id), 
	UNIQUE (slug), 
	UNIQUE (schema), 
	UNIQUE (write_key)
);
INSERT INTO "sources" VALUES(1,'01a210f2-9ed5-7342-a67c-468afa6e9a78','Play','play','play','livelike',1,'qWfOLuy8qjrTcnmXV1JkhLRhs2ijclYf',1795580665557091);
CREATE TABLE tokens (
	digest BLOB NOT NULL, 
	client_id VARCHAR NOT NULL, 
	PRIMARY KEY (digest)
);
INSERT INTO "tokens" VALUES(X'40FD8FCACEEC607A29CC3D062196F4260D1B6A8FFEAF932734C8DE58ABCDF04C','01a210f2-9e78-7427-b80b-954c36ef4490');
CREATE TABLE transactions (
	position INTEGER NOT NULL, 
	id VARCHAR NOT NULL, 
	client_id VARCHAR NOT NULL, 
	profile_id VARCHAR NOT NULL, 
	reward_item_id VARCHAR NOT NULL, 
	amount BIGINT NOT NULL CHECK (amount <> 0), 
	balance BIGINT NOT NULL CHECK (balance >= 0), 
	kind VARCHAR NOT NULL, 
	reward_action_key VARCHAR, 
	created_at BIGINT NOT NULL, 
	body TEXT NOT NULL, 
	PRIMARY KEY (position)
);
INSERT INTO "transactions" VALUES(1,'01a210f2-9ec7-7bed-87c5-87bcd880b9e0','01a210f2-9e78-7427-b80b-954c36ef4490','01a210f2-9eb9-767e-b30d-a73272b2b9b0','01a210f2-9e91-7179-b32a-8f9e9323137c',5,5,'reward_table','vote',1795580665536102,'{"id":"01a210f2-9ec7-7bed-87c5-87bcd880b9e0","profile_id":"01a210f2-9eb9-767e-b30d-a73272b2b9b0","reward_item_id":"01a210f2-9e91-7179-b32a-8f9e9323137c","amount":5,"balance":5,"kind":"reward_table","created_at":"2026-11-25T04:24:25.536102Z","invoked_action_id":"01a210f2-9ec7-7243-9f65-cd7b342af184","reward_action_key":"vote","reward_table_entry_id":"01a210f2-9e9c-7acf-abd4-0dd1dba314f0","user_quest_id":null,"transfer_id":null,"counterpart_profile_id":null,"reason":null,"description":null,"custom_data":null,"attributes":[]}');
INSERT INTO "transactions" VALUES(2,'01a210f2-9ec7-7d1d-94f6-2ad899758868','01a210f2-9e78-7427-b80b-954c36ef4490','01a210f2-9eb9-767e-b30d-a73272b2b9b0','01a210f2-9e91-7179-b32a-8f9e9323137c',1,6,'quest',NULL,1795580665536102,'{"id":"01a210f2-9ec7-7d1d-94f6-2ad899758868","profile_id":"01a210f2-9eb9-767e-b30d-a73272b2b9b0","reward_item_id":"01a210f2-9e91-7179-b32a-8f9e9323137c","amount":1,"balance":6,"kind":"quest","created_at":"2026-11-25T04:24:25.536102Z","invoked_action_id":null,"reward_action_key":null,"reward_table_entry_id":null,"user_quest_id":"01a210f2-9ec7-7d1d-94f6-2ad899258868","transfer_id":null,"counterpart_profile_id":null,"reason":null,"description":null,"custom_data":null,"attributes":[]}');
CREATE TABLE user_quest_tasks (
	id VARCHAR NOT NULL, 
	profile_id VARCHAR NOT NULL, 
	user_quest_id VARCHAR NOT NULL, 
	quest_task_id VARCHAR NOT NULL, 
	ordinal INTEGER NOT NULL, 
	progress VARCHAR NOT NULL, 
	completed_at BIGINT, 
	PRIMARY KEY (id)
);
INSERT INTO "user_quest_tasks" VALUES('01a210f2-9ec7-7d1d-94f6-2ad899358868','01a210f2-9eb9-767e-b30d-a73272b2b9b0','01a210f2-9ec7-7d1d-94f6-2ad899258868','01a210f2-9eb0-7266-9f7c-1f637fd39e60',0,'1',1795580665536102);
CREATE TABLE user_quests (
	id VARCHAR NOT NULL, 
	client_id VARCHAR NOT NULL, 
	profile_id VARCHAR NOT NULL, 
	quest_id VARCHAR NOT NULL, 
	created_at BIGINT NOT NULL, 
	active_until BIGINT, 
	completed_at BIGINT, 
	rewards_claimed_at BIGINT, 
	PRIMARY KEY (id), 
	UNIQUE (profile_id, quest_id)
);
INSERT INTO "user_quests" VALUES('01a210f2-9ec7-7d1d-94f6-2ad899258868','01a210f2-9e78-7427-b80b-954c36ef4490','01a210f2-9eb9-767e-b30d-a73272b2b9b0','01a210f2-9eac-766f-8894-3db583ed5878',1795580665536102,NULL,1795580665536102,1795580665536102);
CREATE TABLE webhook_intakes (
	source_id VARCHAR NOT NULL, 
	client_secret VARCHAR NOT NULL, 
	signed_form VARCHAR NOT NULL, 
	api VARCHAR, 
	token VARCHAR, 
	PRIMARY KEY (source_id)
);
CREATE TABLE webhooks_in (
	number INTEGER NOT NULL, 
	source_id VARCHAR NOT NULL, 
	webhook_id VARCHAR NOT NULL, 
	event VARCHAR NOT NULL, 
	body BLOB NOT NULL, 
	received_at BIGINT NOT NULL, 
	state VARCHAR NOT NULL, 
	attempts INTEGER NOT NULL, 
	reason TEXT, 
	next_at BIGINT, 
	PRIMARY KEY (number), 
	UNIQUE (source_id, webhook_id)
);
CREATE INDEX ix_definitions_client_id ON definitions (client_id);
CREATE INDEX transactions_by_client ON transactions (client_id, position);
CREATE INDEX transactions_by_profile ON transactions (profile_id, position);
CREATE INDEX invoked_actions_by_client ON invoked_actions (client_id, position);
CREATE INDEX earned_badges_by_badge ON earned_badges (badge_id, position);
CREATE INDEX ix_user_quest_tasks_profile_id ON user_quest_tasks (profile_id);
CREATE INDEX facts_by_client ON facts (client_id, position);
CREATE INDEX ix_set_aside_facts_client_id ON set_aside_facts (client_id);
CREATE INDEX idempotency_by_age ON idempotency (created_at);
CREATE INDEX webhooks_in_by_state ON webhooks_in (source_id, state, number);
COMMIT;
