Feature: Health

  Scenario: A node that can sell reports that it is ready
    Given a node runs
    Then it is alive and ready
    And its clock is right

  Scenario: Held seats are counted
    Given a match is on sale
    And Mina is logged in
    When Mina holds seats 1 and 2
    Then its metrics count 2 held seats or more

  Scenario: A node shows what it can do
    Given a node runs
    Then it shows the page with the map
    And it explains its API to people and to programs
    And it refuses an address that leads nowhere
