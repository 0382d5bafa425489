// pgjdbc, as Flyway and Liquibase use it: batches, server-side prepared statements, metadata.

import java.sql.BatchUpdateException;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Properties;
import org.postgresql.PGConnection;
import org.postgresql.util.PSQLException;

class Jdbc {
    static final String CONFIRM = System.getenv("CONFIRM");

    static Connection connect(String entry, String options) throws SQLException {
        var settings = new Properties();
        settings.setProperty("user", System.getenv("DBUSER"));
        settings.setProperty("password", System.getenv("PASSWORD"));
        settings.setProperty("sslmode", "verify-full");
        settings.setProperty("sslrootcert", System.getenv("CA"));
        if (options != null) settings.setProperty("options", options);
        var address = System.getenv("HOST") + ":" + System.getenv("PORT");
        return DriverManager.getConnection("jdbc:postgresql://" + address + "/" + entry, settings);
    }

    static void check(boolean condition, String what) {
        if (!condition) throw new AssertionError("FAILED: " + what);
    }

    interface Work { void run() throws SQLException; }

    static void blocked(String state, Work work) {
        try {
            work.run();
        } catch (SQLException error) {
            var cause = error instanceof BatchUpdateException ? error.getNextException() : error;
            check(state.equals(cause.getSQLState()), state + ": " + cause.getSQLState() + " " + cause.getMessage());
            var message = ((PSQLException) cause).getServerErrorMessage();
            check(message.getDetail() != null && message.getHint() != null, "DETAIL and HINT: " + message);
            return;
        }
        check(false, "DDL is blocked");
    }

    static void ordinary(Connection connection) throws SQLException {
        var status = connection.unwrap(PGConnection.class).getParameterStatus("authority.role");
        check("prod".equals(status), "the tags: " + status);
        connection.setAutoCommit(false);
        try (PreparedStatement insert = connection.prepareStatement("INSERT INTO items VALUES (?, ?, ?) ON CONFLICT DO NOTHING")) {
            for (int n = 0; n < 300; n++) {
                insert.setInt(1, 1000 + n);
                insert.setString(2, "jdbc");
                insert.setBigDecimal(3, java.math.BigDecimal.ONE);
                insert.addBatch();
            }
            insert.executeBatch();
        }
        connection.commit();
        try (PreparedStatement query = connection.prepareStatement("SELECT name FROM items WHERE id = ?")) {
            for (int n = 0; n < 10; n++) { // past prepareThreshold: a named statement
                query.setInt(1, 1);
                try (ResultSet rows = query.executeQuery()) {
                    check(rows.next() && rows.getString(1).equals("anvil"), "a row");
                }
            }
        }
        try (Statement statement = connection.createStatement()) {
            statement.setFetchSize(50); // a portal with row limits
            int count = 0;
            try (ResultSet rows = statement.executeQuery("SELECT generate_series(1, 1000)")) {
                while (rows.next()) count++;
            }
            check(count == 1000, "fetched in parts");
        }
        var savepoint = connection.setSavepoint();
        connection.createStatement().executeUpdate("UPDATE items SET name = 'x' WHERE id = 1000");
        connection.rollback(savepoint);
        connection.commit();
        connection.setTransactionIsolation(Connection.TRANSACTION_REPEATABLE_READ);
        connection.setTransactionIsolation(Connection.TRANSACTION_READ_COMMITTED);
        var metadata = connection.getMetaData();
        for (var rows : new ResultSet[] {
                metadata.getTables(null, null, "%", new String[] {"TABLE"}),
                metadata.getColumns(null, null, "items", "%"),
                metadata.getPrimaryKeys(null, null, "items"),
                metadata.getIndexInfo(null, null, "items", false, false),
                metadata.getImportedKeys(null, null, "lines"),
                metadata.getSchemas(), metadata.getCatalogs(), metadata.getTypeInfo()}) {
            while (rows.next()) { }
            rows.close();
        }
        connection.commit();
        connection.setAutoCommit(true);
        check(connection.isValid(5), "isValid");
        connection.setReadOnly(true);
        connection.createStatement().executeQuery("SELECT 1").close();
        connection.setReadOnly(false);
        System.out.println("ok: ordinary traffic");
    }

    public static void main(String[] arguments) throws SQLException {
        var prod = System.getenv("PROD");
        try (var connection = connect(prod, null)) {
            ordinary(connection);
            blocked("42501", () -> connection.createStatement().execute("CREATE TABLE blocked (n int)"));
            blocked("42501", () -> connection.createStatement().execute("SELECT 1; DROP TABLE items; SELECT 2"));
            blocked("42501", () -> connection.prepareStatement("DROP TABLE items").execute());
            check(connection.isValid(5), "the connection lives on");
            connection.setAutoCommit(false);
            var statement = connection.createStatement();
            statement.execute("SET LOCAL authority.confirm_prod_migrations = true");
            statement.execute("CREATE TABLE by_jdbc (n int)");
            connection.commit();
            System.out.println("ok: confirmed by SET LOCAL");
        }
        try (var connection = connect(prod, CONFIRM)) {
            connection.createStatement().execute("DROP TABLE by_jdbc");
            System.out.println("ok: confirmed by options");
        }
        try (var connection = connect(System.getenv("REPLICA"), CONFIRM)) {
            connection.createStatement().executeQuery("SELECT count(*) FROM items").close();
            blocked("25006", () -> connection.createStatement().execute("CREATE TABLE blocked (n int)"));
            System.out.println("ok: the replica");
        }
    }
}
