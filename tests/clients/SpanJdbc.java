// pgjdbc in sessions that read from neon and write to local.

import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Properties;

class SpanJdbc {
    static Connection connect(String entry) throws SQLException {
        var settings = new Properties();
        settings.setProperty("user", System.getenv("DBUSER"));
        settings.setProperty("password", System.getenv("PASSWORD"));
        settings.setProperty("sslmode", "verify-full");
        settings.setProperty("sslrootcert", System.getenv("CA"));
        var address = System.getenv("HOST") + ":" + System.getenv("PORT");
        return DriverManager.getConnection("jdbc:postgresql://" + address + "/" + entry, settings);
    }

    static void check(boolean condition, String what) {
        if (!condition) throw new AssertionError("FAILED: " + what);
    }

    static int count(String entry) throws SQLException {
        try (Connection connection = connect(entry); Statement statement = connection.createStatement();
                ResultSet rows = statement.executeQuery("SELECT count(*) FROM lines WHERE note = 'jdbc'")) {
            rows.next();
            return rows.getInt(1);
        }
    }

    public static void main(String[] arguments) throws SQLException {
        try (Connection connection = connect(System.getenv("SPAN"))) {
            connection.setAutoCommit(false);
            connection.setTransactionIsolation(Connection.TRANSACTION_REPEATABLE_READ);
            try (PreparedStatement read = connection.prepareStatement("SELECT name FROM items WHERE id = ?");
                    PreparedStatement write = connection.prepareStatement("INSERT INTO lines (item, note) VALUES (?, ?)")) {
                // past the threshold of server-side prepared statements
                for (int n = 0; n < 12; n++) {
                    read.setInt(1, n % 3 + 1);
                    try (ResultSet rows = read.executeQuery()) {
                        check(rows.next(), "a row");
                    }
                    write.setInt(1, n % 3 + 1);
                    write.setString(2, "jdbc");
                    write.executeUpdate();
                }
                connection.commit();
                for (int n = 0; n < 50; n++) {
                    write.setInt(1, 1);
                    write.setString(2, "jdbc");
                    write.addBatch();
                }
                write.executeBatch();
                connection.commit();
            }
            var savepoint = connection.setSavepoint();
            try (Statement statement = connection.createStatement()) {
                statement.executeUpdate("INSERT INTO lines (item, note) VALUES (1, 'jdbc')");
                statement.executeQuery("SELECT nope FROM items");
                check(false, "an error");
            } catch (SQLException error) {
                check("42703".equals(error.getSQLState()), error.toString());
            }
            connection.rollback(savepoint);
            connection.commit();
        }
        check(count(System.getenv("STAGING")) == 62, "lines in local: " + count(System.getenv("STAGING")));
        check(count(System.getenv("PROD")) == 0, "none in neon");
    }
}
