Feature: Administration

  Rule: Only an administrator runs the sale

    Scenario: A fan
      Given a match is on sale
      And Mina is logged in
      Then every call of the administration is refused to Mina because she is no administrator
      And the match is on sale

    Scenario: A visitor
      Given a match is on sale
      And Jun is a visitor
      Then every call of the administration is refused to Jun because he is not logged in
      And the match is on sale

  Rule: A plan is accepted or refused as a whole

    Background:
      Given Ada is the administrator

    Scenario: A good plan
      When Ada makes the site "New Park"
      Then Ada finds 1 site in the list
      When Ada deletes the site again
      Then Ada finds 0 sites in the list

    Scenario: Every mistake is named, and nothing is stored
      When Ada tries to make a site with several mistakes
      Then Ada is refused because a field is wrong
      And Ada is told what is wrong with:
        | /grades/0/price                                         |
        | /areas/0/sections/0/blocks/1/grade                      |
        | /areas/0/sections/0/blocks/0/rows/1/firstSeatId         |
      And Ada finds 0 sites in the list

    Scenario: A repeated call has its effect once
      When Ada makes the same site twice under the key "site-1"
      Then Ada finds 1 site in the list

  Rule: A match goes from draft to announced to open to closed

    Background:
      Given a match is still a draft
      And Ada is the administrator

    Scenario: Open and close
      Then the match is a draft
      When Ada opens the sale
      Then the match is on sale
      When Ada tries to open the sale
      Then Ada is refused because the match is already on sale
      When Ada closes the sale
      Then the match is closed
      When Ada tries to close the sale
      Then Ada is refused because the match is not on sale

    Scenario: Announce before the sale
      When Ada announces the match
      Then the match is announced
      When Ada tries to announce the match
      Then Ada is refused because the match is no draft any more
      When Ada tries to delete the match
      Then Ada is refused because the match is no draft any more
      When Ada opens the sale
      Then the match is on sale

    Scenario: A draft can be changed and deleted
      When Ada moves the match to "2030-05-06T09:30:00Z" with "KIA Tigers" as the guest
      And Ada deletes the match
      Then nobody finds the match any more

    Scenario: A match on sale and its site cannot be deleted
      When Ada opens the sale
      And Ada tries to delete the match
      Then Ada is refused because the match is no draft any more
      When Ada tries to change the site of the match
      Then Ada is refused because a match uses the site
      When Ada tries to delete the site of the match
      Then Ada is refused because a match uses the site

  Rule: Blocked seats are not for sale

    Background:
      Given a match is on sale
      And Ada is the administrator
      And Mina is logged in

    Scenario: Block and unblock
      Given Mina watches block 1
      When Ada blocks seats 1, 2 and 3
      Then Mina's map shows seats 1, 2 and 3 as blocked
      When Mina tries to hold seats 3 and 4
      Then Mina is refused because a seat is taken
      And Mina is told that seat 3 is gone
      When Ada unblocks seats 1, 2 and 3
      Then Mina's map shows seats 1, 2 and 3 as free
      When Mina holds seats 3 and 4
      Then seats 3 and 4 are held on the map

    Scenario: A held seat cannot be blocked
      Given Mina holds seat 3
      When Ada tries to block seats 2 and 3
      Then Ada is refused because a seat is taken
      And seat 2 is free on the map
      And seat 3 is held on the map

    Scenario: A sold seat cannot be blocked
      Given Mina has bought seat 3
      When Ada tries to block seats 2 and 3
      Then Ada is refused because a seat is taken
      And seat 3 is sold on the map
