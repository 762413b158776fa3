Feature: Check-ins

  Rule: Each sold seat lets one person in, once

    Background:
      Given Sora is the administrator
      And a match is on sale
      And Mina is logged in
      And Mina has bought seats 3 and 4

    Scenario: Two friends enter one after the other
      When Sora checks Mina in with seat 3
      And Sora checks Mina in with seat 4
      Then seats 3 and 4 are sold on the map

    Scenario: A picture of the code is shown a second time
      When Sora checks Mina in with seat 3
      And Sora scans the code of seat 3 of Mina again
      Then Sora is refused because somebody has entered with the code before

    Scenario: The response of a scan is lost on its way to the gate
      When Sora repeats a scan of seat 3 of Mina whose response was lost
      And Sora scans the code of seat 3 of Mina again
      Then Sora is refused because somebody has entered with the code before

    Scenario: A code that nobody has sold
      When Sora scans a code that somebody has made up
      Then Sora is refused because it is no ticket of the match

    Scenario: A person who is inside gets no money back
      When Sora checks Mina in with seat 3
      And Mina tries to cancel the reservation
      Then Mina is refused because tickets cannot be given back any more
      And seats 3 and 4 are sold on the map
