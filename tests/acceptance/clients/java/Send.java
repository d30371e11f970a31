// Segment's client for Java: `java -cp JARS Send.java ADDRESS WRITE_KEY`, and then as `send.cjs`.

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.google.gson.ToNumberPolicy;
import com.segment.analytics.Analytics;
import com.segment.analytics.Callback;
import com.segment.analytics.messages.AliasMessage;
import com.segment.analytics.messages.GroupMessage;
import com.segment.analytics.messages.IdentifyMessage;
import com.segment.analytics.messages.Message;
import com.segment.analytics.messages.MessageBuilder;
import com.segment.analytics.messages.PageMessage;
import com.segment.analytics.messages.ScreenMessage;
import com.segment.analytics.messages.TrackMessage;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Date;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Phaser;
import java.util.concurrent.TimeUnit;

/** Hands messages over to the client, and waits for what becomes of each: shutdown drops what is still to be sent again. */
class Send implements Callback {
    private static final Gson GSON =
            new GsonBuilder().setObjectToNumberStrategy(ToNumberPolicy.LONG_OR_DOUBLE).create();
    private final Phaser waiting = new Phaser(1);
    private final List<String> failures = Collections.synchronizedList(new ArrayList<>());

    @Override
    public void success(Message message) {
        waiting.arriveAndDeregister();
    }

    @Override
    public void failure(Message message, Throwable error) {
        failures.add(String.valueOf(error));
        waiting.arriveAndDeregister();
    }

    void enqueue(Analytics client, MessageBuilder<?, ?> message) {
        waiting.register();
        client.enqueue(message);
    }

    static MessageBuilder<?, ?> message(String call, JsonObject given) {
        MessageBuilder<?, ?> made = made(call, given);
        made.userId(text(given, "userId")).messageId(text(given, "messageId"));
        made.timestamp(Date.from(OffsetDateTime.parse(text(given, "timestamp")).toInstant()));
        return made.context(map(given, "context"));
    }

    private static MessageBuilder<?, ?> made(String call, JsonObject given) {
        switch (call) {
            case "identify":
                return IdentifyMessage.builder().traits(map(given, "traits"));
            case "track":
                return TrackMessage.builder(text(given, "event")).properties(map(given, "properties"));
            case "page":
                return PageMessage.builder(text(given, "name"))
                        .category(text(given, "category"))
                        .properties(map(given, "properties"));
            case "screen": // which has no category of its own
                given.getAsJsonObject("properties").add("category", given.get("category"));
                return ScreenMessage.builder(text(given, "name")).properties(map(given, "properties"));
            case "group":
                return GroupMessage.builder(text(given, "groupId")).traits(map(given, "traits"));
            case "alias":
                return AliasMessage.builder(text(given, "previousId"));
            default:
                throw new IllegalArgumentException(call);
        }
    }

    private static String text(JsonObject given, String name) {
        return given.get(name).getAsString();
    }

    @SuppressWarnings("unchecked")
    private static Map<String, Object> map(JsonObject given, String name) {
        return GSON.fromJson(given.get(name), Map.class);
    }

    public static void main(String[] arguments) throws IOException {
        Send seen = new Send();
        Analytics client = Analytics.builder(arguments[1])
                .endpoint(arguments[0])
                .flushQueueSize(50)
                .flushInterval(1, TimeUnit.SECONDS)
                .callback(seen)
                .build();
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            JsonObject asked = JsonParser.parseString(line).getAsJsonObject();
            seen.run(client, asked);
            System.out.println(GSON.toJson(Map.of("failures", seen.failures)));
        }
    }

    private void run(Analytics client, JsonObject asked) {
        if (asked.has("calls")) {
            for (JsonElement each : asked.getAsJsonArray("calls")) {
                JsonArray call = each.getAsJsonArray();
                enqueue(client, message(call.get(0).getAsString(), call.get(1).getAsJsonObject()));
            }
        }
        if (asked.has("tracks")) {
            JsonArray range = asked.getAsJsonArray("tracks");
            for (int number = range.get(0).getAsInt(); number < range.get(1).getAsInt(); number++) {
                enqueue(client, TrackMessage.builder("Streamed").userId("streamer").properties(Map.of("number", number)));
            }
        }
        if (asked.has("end")) {
            waiting.arriveAndAwaitAdvance();
            client.shutdown();
        }
    }
}
