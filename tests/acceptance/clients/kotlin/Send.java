// Segment's client for Kotlin, by its interface for Java: `java -cp JARS kotlin/Send.java ADDRESS WRITE_KEY`, and then as
// `send.cjs`. It makes each messageId and timestamp itself, and has no page.

import com.segment.analytics.kotlin.core.Configuration;
import com.segment.analytics.kotlin.core.RequestFactory;
import com.segment.analytics.kotlin.core.Settings;
import com.segment.analytics.kotlin.core.compat.ConfigurationBuilder;
import com.segment.analytics.kotlin.core.compat.JavaAnalytics;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.net.HttpURLConnection;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import kotlin.Unit;
import kotlinx.serialization.json.Json;
import kotlinx.serialization.json.JsonArray;
import kotlinx.serialization.json.JsonElement;
import kotlinx.serialization.json.JsonElementKt;
import kotlinx.serialization.json.JsonObject;
import kotlinx.serialization.json.JsonPrimitive;

class Send {
    /** The client asks for HTTPS only; a Tifo behind a proxy has it, the tests' has not. */
    static class Plain extends RequestFactory {
        @Override
        public HttpURLConnection openConnection(String url) {
            return super.openConnection(url.replaceFirst("^https:", "http:"));
        }
    }

    private final List<String> failures = Collections.synchronizedList(new ArrayList<>());
    private final JavaAnalytics client;

    Send(String address, String writeKey) {
        URI endpoint = URI.create(address);
        String host = endpoint.getRawAuthority() + "/v1";
        Configuration settings = new ConfigurationBuilder(writeKey)
                .setApplication("tifo")
                .setApiHost(host)
                .setCdnHost(host)
                .setFlushAt(20)
                .setFlushInterval(1)
                .setRequestFactory(new Plain())
                .build();
        settings.setDefaultSettings(sendingTo(host, writeKey));
        settings.setErrorHandler(error -> {
            if (String.valueOf(error).contains("dropped")) failures.add(String.valueOf(error));
            return Unit.INSTANCE;
        });
        client = new JavaAnalytics(settings);
    }

    /** Without these it sends to Segment, whatever its apiHost is, where it could not read its settings at the start. */
    private static Settings sendingTo(String host, String writeKey) {
        JsonObject none = new JsonObject(Map.of());
        JsonObject segment = new JsonObject(Map.of("apiKey", string(writeKey), "apiHost", string(host)));
        return new Settings(new JsonObject(Map.of("Segment.io", segment)), none, none, none, none, none, none);
    }

    private static JsonPrimitive string(String text) {
        return JsonElementKt.JsonPrimitive(text);
    }

    private void call(String call, JsonObject given) {
        switch (call) {
            case "identify":
                client.identify(text(given, "userId"), object(given, "traits"));
                break;
            case "track":
                client.track(text(given, "event"), object(given, "properties"));
                break;
            case "screen":
                client.screen(text(given, "name"), object(given, "properties"), text(given, "category"));
                break;
            case "group":
                client.group(text(given, "groupId"), object(given, "traits"));
                break;
            case "alias": // from the user of the calls before
                client.alias(text(given, "userId") + "-after");
                break;
            default: // it has no page
        }
    }

    private static String text(JsonObject given, String name) {
        return ((JsonPrimitive) given.get(name)).getContent();
    }

    private static JsonObject object(JsonObject given, String name) {
        return (JsonObject) given.get(name);
    }

    private void run(JsonObject asked) throws InterruptedException {
        for (JsonElement each : array(asked, "calls")) {
            JsonArray call = (JsonArray) each;
            call(((JsonPrimitive) call.get(0)).getContent(), (JsonObject) call.get(1));
        }
        JsonArray range = array(asked, "tracks");
        if (!range.isEmpty()) {
            for (int number = integer(range.get(0)); number < integer(range.get(1)); number++) {
                client.track("Streamed", Map.of("number", number));
            }
        }
        if (asked.containsKey("end")) {
            do {
                client.flush();
                Thread.sleep(1000); // it has no way to wait for what it sends
            } while (!client.pendingUploads().isEmpty());
        }
    }

    private static JsonArray array(JsonObject asked, String name) {
        JsonElement found = asked.get(name);
        return found == null ? new JsonArray(List.of()) : (JsonArray) found;
    }

    private static int integer(JsonElement number) {
        return Integer.parseInt(((JsonPrimitive) number).getContent());
    }

    public static void main(String[] arguments) throws Exception {
        PrintStream answers = System.out;
        System.setOut(System.err); // the client logs there
        Send sender = new Send(arguments[0], arguments[1]);
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            sender.run((JsonObject) Json.Default.parseToJsonElement(line));
            List<JsonPrimitive> failed = new ArrayList<>();
            for (String each : sender.failures) failed.add(string(each));
            answers.println(new JsonObject(Map.of("failures", new JsonArray(failed))));
        }
        System.exit(0);
    }
}
