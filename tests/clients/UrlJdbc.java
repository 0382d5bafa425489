// pgjdbc by its URL alone.

import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;

class UrlJdbc {
    public static void main(String[] arguments) throws SQLException {
        try (Connection connection = DriverManager.getConnection(System.getenv("URL"));
                Statement statement = connection.createStatement();
                ResultSet rows = statement.executeQuery(System.getenv("SHOW"))) {
            rows.next();
            System.out.println(rows.getString(1));
        }
    }
}
